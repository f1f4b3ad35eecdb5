"""Time beside the floor: the table of the CUDA bench."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from tinygen.bench.cuda.ceilings import COPY, PRODUCT
from tinygen.bench.cuda.kernel import Kernel
from tinygen.bench.report import Report, colour, dots
from tinygen.bench.result import Runs

GOOD = 0.7
"""A share of the floor below this is shown in red."""


@dataclass(frozen=True)
class Ceilings:
    """What the card reached in this run.

    Attributes:
        bandwidth: bytes a second of the copy, reads and writes.
        rate: operations a second of the matrix product, in the precision of the run; None where none was measured.
        precision: of that product.
    """

    bandwidth: float
    rate: float | None
    precision: str

    def floor(self, case: Kernel) -> tuple[float, str] | None:
        """Seconds that the case takes at least, and what bounds it; None for products of unknown rate."""
        memory = case.bytes(self.precision) / self.bandwidth
        if not case.operations:
            return memory, "memory"
        if self.rate is None:
            return None
        product = case.operations / self.rate
        return max((memory, "memory"), (product, "product"))

    def __str__(self) -> str:
        rate = "an unknown rate of products" if self.rate is None else f"products at {self.rate / 1e12:.0f} TFLOP/s"
        return f"copy at {self.bandwidth / 1e12:.2f} TB/s, {rate} in {self.precision}"


def measured(runs: Runs, cases: dict[str, Kernel], precision: str) -> Ceilings:
    """The ceilings as the fastest library reached them.

    Raises:
        ValueError: no library copied.
    """

    def fastest(case: str) -> float | None:
        found = [s.middle for row in runs.rows(case) for s in row.samples.values()]
        return min(found, default=None)

    copy, product = fastest(COPY), fastest(PRODUCT)
    if copy is None:
        raise ValueError(f"no floor without a bandwidth: {COPY} was not measured")
    rate = None if product is None else cases[PRODUCT].operations / product
    return Ceilings(cases[COPY].moved / copy, rate, precision)


def report(runs: Runs, kernels: dict[str, Kernel], precision: str) -> Report:
    """Milliseconds of this engine, the floor, the share of it that is reached, and ratios to the others.

    Args:
        kernels: of the cases that have floors, the ceilings among them, by name.
        precision: of products, on both sides.
    """
    ceilings = measured(runs, kernels, precision)
    first, *others = runs.names
    cells: list[list[str]] = []
    floors: dict[str, dict[str, Any]] = {}
    shares: dict[str, float] = {}
    for case in runs.cases:
        bound = ceilings.floor(kernels[case]) if case in kernels else None
        taken = [row.samples[first].middle for row in runs.rows(case) if first in row.samples]
        shown = ["", ""]
        if bound is not None:
            seconds, what = bound
            floors[case] = {
                "bytes": kernels[case].bytes(precision),
                "operations": kernels[case].operations,
                "floor_ms": 1e3 * seconds,
                "bound": what,
            }
            shown[0] = f"{1e3 * seconds:.3g} {what}"
            if taken:
                shares[case] = floors[case]["share"] = seconds / median(taken)
                shown[1] = f"{shares[case]:.0%}"
        cells.append([case, runs.value(case, first), *shown, *(runs.cell(case, other) for other in others)])

    def colours(row: int, column: int) -> str | None:
        case = runs.cases[row]
        if column == 3 and case in shares:
            return "green" if shares[case] >= GOOD else "red"
        return colour(runs.ratio(case, others[column - 4])) if column > 3 else None

    content = runs.as_json()
    content["precision"] = precision
    content["ceilings"] = {"bytes_per_second": ceilings.bandwidth, "operations_per_second": ceilings.rate}
    content["floors"] = floors
    return Report(
        "cuda",
        f"{ceilings}; time beside its floor, and over the other's, with quartiles",
        ["", f"{first}, {runs.unit.name}", "floor", "of it", *(f"over {other}" for other in others)],
        cells,
        content,
        lambda figure: dots(figure, runs),
        1.2 + 0.26 * len(runs.cases),
        runs.wrong,
        colours,
    )
