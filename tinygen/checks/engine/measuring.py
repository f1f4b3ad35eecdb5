"""The ruler itself: an error is the greatest absolute one, and NaN is one."""

from collections.abc import Iterator

import numpy as np

from tinygen.checks.measurement import Measurement, at_least, at_most, equal, estimate
from tinygen.checks.registry import check


@check(
    43,
    "engine",
    "Errors do not cancel",
    formula=r"\mathrm{error} = \max_i |a_i - b_i| / \max(1, \max_i |b_i|)",
    statement="Differences of opposite sign are both errors, one wrong entry among many is as wrong as alone, and NaN"
    " never holds.",
    source="a published test sums signed differences; others lack the absolute value",
)
def errors_do_not_cancel() -> Iterator[Measurement]:
    def holds(measurement: Measurement) -> float:
        return float(measurement.holds)

    many = np.zeros(1000)
    one_wrong = np.where(np.arange(1000) == 500, -1e-3, 0.0)
    noise = np.random.default_rng(0).normal(size=10_000)
    cases = {
        "equal entries": (equal("", [1.0, 2.0], [1.0, 2.0]), 1),
        "one too great, one too small by as much": (equal("", [1.1, 1.9], [1.0, 2.0]), 0),
        "too small": (equal("", [0.9], [1.0]), 0),
        "one entry of a thousand": (equal("", one_wrong, many), 0),
        "NaN": (equal("", [1.0, np.nan], [1.0, 2.0]), 0),
        "relative where the exact is great": (equal("", [1e12 + 1.0], [1e12]), 1),
        "a mean below the exact": (estimate("", noise - 0.1, 0.0), 0),
        "a mean at the exact": (estimate("", noise, 0.0), 1),
        "above a bound": (at_most("", 1.1, 1.0), 0),
        "below it": (at_most("", 0.9, 1.0), 1),
        "under a least value": (at_least("", 0.9, 1.0), 0),
        "over it": (at_least("", 1.1, 1.0), 1),
        "NaN under a bound": (at_most("", np.nan, 1.0), 0),
    }
    for name, (measurement, exact) in cases.items():
        # Written down without the ruler that is being measured.
        wrong = float(holds(measurement) != exact)
        yield Measurement(f"{name}: whether it holds", float(exact), holds(measurement), wrong, 0.0)
    found = equal("", [1.0, 2.5], [1.0, 2.0]).error
    yield Measurement("the error of 2.5 for 2, relative", 0.25, found, float(found != 0.25), 0.0)
