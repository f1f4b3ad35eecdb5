"""One comparison of a measured value with the exact one: what was compared, how far apart, how far is allowed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

EXACT = 1e-9
"""Relative tolerance where a statement is exact: that of float64 arithmetic, with room for its conditioning."""
STANDARD_ERRORS = 5
"""How far a Monte Carlo estimate may stand from the exact value, in standard errors."""


@dataclass(frozen=True)
class Measurement:
    """A value beside what it must be. `error` and `tolerance` are on one scale, which `scale` names."""

    what: str
    exact: float
    measured: float
    error: float
    tolerance: float
    scale: str = "absolute"

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance; a NaN is not."""
        return bool(self.error <= self.tolerance)


def equal(what: str, measured: Any, exact: Any, tolerance: float = EXACT) -> Measurement:
    """`measured` equals `exact`, entry by entry: numbers, arrays or tensors of one shape.

    The error is relative to the greatest entry of `exact`, or absolute where that is below 1; the entry with the
    greatest error is the one shown. Raises ValueError for different shapes: a broadcast comparison hides mistakes.
    """
    a, b = _array(measured), _array(exact)
    if a.shape != b.shape:
        raise ValueError(f"{what}: measured has shape {a.shape}, exact has {b.shape}")
    if a.size == 0:
        raise ValueError(f"{what}: there is nothing to compare")
    scale = max(1.0, float(np.max(np.abs(b))))
    errors = np.abs(a - b) / scale
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    name = "relative" if scale > 1 else "absolute"
    return Measurement(what, float(b.flat[worst]), float(a.flat[worst]), float(errors.flat[worst]), tolerance, name)


def estimate(what: str, draws: Any, exact: float) -> Measurement:
    """The mean of independent `draws` (n,) equals `exact` within 5 standard errors; the seed is the caller's."""
    values = _array(draws).ravel()
    mean, deviation = float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))
    return Measurement(
        f"{what} (n = {values.size:,})", exact, mean, abs(mean - exact), STANDARD_ERRORS * deviation, "5 std. errors"
    )


def at_most(what: str, measured: float, bound: float, slack: float = 0.0) -> Measurement:
    """`measured` <= `bound` + `slack`: the error is the excess over the bound, 0 when there is none."""
    excess = float(measured) - float(bound)
    error = excess if np.isnan(excess) else max(0.0, excess)
    return Measurement(what, float(bound), float(measured), error, slack, "excess over the bound")


def at_least(what: str, measured: float, bound: float, slack: float = 0.0) -> Measurement:
    """`measured` >= `bound` - `slack`: the error is what is missing, 0 when nothing is."""
    missing = float(bound) - float(measured)
    error = missing if np.isnan(missing) else max(0.0, missing)
    return Measurement(what, float(bound), float(measured), error, slack, "short of the bound")


def _array(value: Any) -> npt.NDArray[np.float64]:
    value = value.numpy() if hasattr(value, "numpy") else value
    return np.asarray(value, dtype=np.float64)
