"""Time beside its floor: what an operation, a training step or a CUDA kernel would take if it met its ceilings.

Each array operation takes at least as long as a copy of its bytes or the FLOP that it cannot do without, whichever is
longer (profiling/cost.py counts them, profiling/ceilings.py measures the rates); on the CPU what goes over the tape
takes an operation's time there too. A step's floor is the sum over all that it calls. A CUDA kernel's bytes and
operations stand with its case (cuda/kernel.py), and the ceilings are a copy and a product timed like all others.

Where a row falls short, this says what bounds it: what the floor is made of, and which share of it is reached. Held by
tests/bench/test_bench_floors.py.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from tinygen.bench.backends import Backend
from tinygen.bench.cuda.ceilings import COPY, PRODUCT
from tinygen.bench.cuda.kernel import Kernel
from tinygen.bench.interleave import Worker
from tinygen.bench.report import Columns
from tinygen.bench.result import Runs
from tinygen.profiling.ceilings import Ceilings, Tape
from tinygen.profiling.cost import NOTHING, Cost

GOOD = 0.7
"""A share of the floor below this is shown in red."""
NAMED = 0.1
"""Share of a floor: parts that are less are not named in the table."""


class Work(NamedTuple):
    """What a case does once: the costs of all, and how many operations are called unrecorded, recorded, pulled."""

    costs: list[Cost]
    called: int
    recorded: int
    pulled: int


@dataclass(frozen=True)
class Floor:
    """Seconds that a case takes at least, by what bounds its parts, and what it costs in all."""

    parts: dict[str, float]
    cost: Cost

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())

    @property
    def made_of(self) -> str:
        """The parts as a table names them, the greatest first."""
        shares = sorted(((part / self.seconds, name) for name, part in self.parts.items() if part), reverse=True)
        if len(shares) == 1:
            return shares[0][1]
        return ", ".join(f"{name} {share:.0%}" for share, name in shares if share >= NAMED)


# -- of a case on the CPU --------------------------------------------------------------------------------------


def of_work(ceilings: Ceilings, work: Work) -> Floor:
    """The floor of what was counted."""
    tape = ceilings.tape.seconds(work.called, work.recorded, work.pulled)
    return Floor(ceilings.floors(work.costs) | {"tape": tape}, sum(work.costs, NOTHING))


def counted(run: Any) -> Work:
    """In the worker: what one run does."""
    from tinygen.profiling import profile

    with profile() as found:
        run()
    forward = sum(event.part == "forward" for event in found.events)
    recorded, pulled = sum(found.recorded.values()), sum(found.pulled.values())
    return Work([event.cost for event in found.events], max(0, forward - recorded), recorded, pulled)


def count(cases: Sequence[str], backend: Backend, threads: int) -> tuple[dict[str, Work], Ceilings]:
    """What each case does, and what the machine can do, found by a process of its own.

    A case that fails is left out: the measurement says why.
    """
    works = {}
    with closing(Worker(backend, threads)) as worker:
        for case in cases:
            given = worker.ask(do="work", case=case)
            if "costs" in given:
                works[case] = Work(**given | {"costs": [Cost(*cost) for cost in given["costs"]]})
        rates = worker.ask(do="ceilings")
    copies = tuple((size, rate) for size, rate in rates["copies"])
    return works, Ceilings(copies, rates["flop_rate"], rates["dtype"], Tape(*rates["tape"]))


def best(one: Ceilings, other: Ceilings) -> Ceilings:
    """The faster of two measurements of the same rates, each: that which nothing else disturbed."""
    copies = tuple((size, max(rate, again)) for (size, rate), (_, again) in zip(one.copies, other.copies))
    known = [c.flop_rate for c in (one, other) if c.flop_rate is not None]
    return Ceilings(copies, max(known, default=None), one.dtype, Tape(*map(min, one.tape, other.tape)))


# -- of a kernel on a CUDA device ------------------------------------------------------------------------------


def of_kernel(ceilings: Ceilings, kernel: Kernel, precision: str) -> Floor | None:
    """The floor of one kernel; None for products of unknown rate."""
    cost = kernel.cost(precision)
    bound = ceilings.floor(cost)
    return None if bound is None else Floor({bound[1]: bound[0]}, cost)


def on_cuda(runs: Runs, cases: Mapping[str, Kernel], precision: str) -> Ceilings:
    """The card's ceilings as the fastest library reached them.

    Raises:
        ValueError: no library copied.
    """

    def fastest(case: str) -> float | None:
        return min((s.middle for row in runs.rows(case) for s in row.samples.values()), default=None)

    copy, product = fastest(COPY), fastest(PRODUCT)
    if copy is None:
        raise ValueError(f"no floor without a bandwidth: {COPY} was not measured")
    moved = cases[COPY].moved
    rate = None if product is None else cases[PRODUCT].operations / product
    return Ceilings(((moved, moved / copy),), rate, precision)


# -- in the table ----------------------------------------------------------------------------------------------


def columns(runs: Runs, floors: Mapping[str, Floor], ceilings: Ceilings) -> Columns:
    """Of each case that has a floor: the floor, what it is made of, and the share of it that is reached."""
    first = runs.names[0]
    shares = {}
    for case, floor in floors.items():
        taken = [row.samples[first].middle for row in runs.rows(case) if first in row.samples]
        if taken:
            shares[case] = floor.seconds / median(taken)

    def cells(case: str) -> list[str]:
        if case not in floors:
            return [""] * 3
        floor = floors[case]
        share = f"{shares[case]:.0%}" if case in shares else ""
        return [f"{floor.seconds * runs.unit.scale:.3g}", floor.made_of, share]

    def colour(case: str, column: int) -> str | None:
        if column != 2 or case not in shares:
            return None
        return "green" if shares[case] >= GOOD else "red"

    scale, unit = runs.unit.scale, runs.unit.name
    content = {
        case: {
            "bytes": floor.cost.bytes,
            "operations": floor.cost.least,
            f"floor_{unit}": scale * floor.seconds,
            f"parts_{unit}": {name: scale * part for name, part in floor.parts.items()},
            "share": shares.get(case),
        }
        for case, floor in floors.items()
    }
    return Columns(
        [f"floor, {unit}", "made of", "of it"],
        cells,
        colour,
        {"ceilings": ceilings.content(), "floors": content},
        f"Ceilings: {ceilings}. ",
    )
