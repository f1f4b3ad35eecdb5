"""Running a check: its measurements, how long they took, and what stopped it if anything did."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tinygen.checks.measurement import Measurement
from tinygen.checks.registry import Check


@dataclass(frozen=True)
class Outcome:
    """What a check gave."""

    check: Check
    measurements: Sequence[Measurement]
    seconds: float
    stopped_by: str = ""
    """The error that ended it, in one line; a check that stops does not hold."""

    @property
    def holds(self) -> bool:
        """Whether it measured something, to its end, and every measurement holds."""
        return not self.stopped_by and bool(self.measurements) and all(m.holds for m in self.measurements)

    @property
    def failures(self) -> list[str]:
        """A line for each thing that is wrong."""
        wrong = [
            f"{m.what}: {m.measured:.10g} for {m.exact:.10g}, error {m.error:.2g} > {m.tolerance:.2g} ({m.scale})"
            for m in self.measurements
            if not m.holds
        ]
        return [*wrong, self.stopped_by] if self.stopped_by else wrong

    @property
    def worst(self) -> Measurement | None:
        """The measurement that stands for the check in a table: the one nearest to, or furthest over, its tolerance."""
        return max(self.measurements, key=_strain, default=None)


def run(check: Check) -> Outcome:
    """Measure everything that `check` claims. Errors are part of the outcome: one check never hides the others."""
    start = time.perf_counter()
    measurements: list[Measurement] = []
    problem = ""
    try:
        measurements.extend(check.measure())
    except Exception as error:
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if not measurements and not problem:
        problem = "it measured nothing"
    return Outcome(check, measurements, time.perf_counter() - start, problem)


def _strain(measurement: Measurement) -> float:
    """Error over tolerance; a comparison without tolerance is strained as soon as there is an error."""
    if measurement.error != measurement.error:
        return float("inf")
    if measurement.tolerance > 0:
        return measurement.error / measurement.tolerance
    return 0.0 if measurement.error <= measurement.tolerance else float("inf")
