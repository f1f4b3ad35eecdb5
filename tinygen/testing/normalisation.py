"""`check_normalised`: probabilities sum to 1, densities integrate to 1.

Held by tests/testing/test_check_normalised.py.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.tensor import Tensor
from tinygen.testing.counterexample import as_array, written

_ROWS = 8192  # points handed to log_prob at once
_MOST = 2**20


def all_states(shape: Sequence[int], values: int = 2, dtype: Any = np.float32) -> np.ndarray:
    """Every array of `shape` with entries 0 ... values - 1: (values ** size, *shape), the last entry changing fastest.

    Raises:
        ValueError: there are more than 2^20.
    """
    size = math.prod(shape)
    if values**size > _MOST:
        raise ValueError(f"{values}^{size} states are too many to go through: at most 2^20")
    return np.array(list(itertools.product(range(values), repeat=size)), dtype).reshape(-1, *shape)


def check_normalised(
    log_prob: Callable[[Tensor], Any],
    domain: Any,
    tolerance: float | None = None,
    per_axis: int = 400,
) -> bool:
    """The sum of p over all states, or the integral over a box, is 1.

    Args:
        log_prob: log p (N,), in nats, of points (N, ...).
        domain: an array of all states (M, ...), each once (see `all_states`), or a list of one or two (low, high): a
            box outside which the density has no mass, points then being float64 (N, 1) or (N, 2).
        tolerance: of the sum; when None 1e-6 for states (1e-9 when log p is float64), 1e-4 for a box.
        per_axis: points of the midpoint rule along each axis; that of half as many must agree with it.

    Returns:
        True.

    Raises:
        AssertionError: it is not so, by how much; a probability above 1 or a log p that is NaN or +inf, with the first
            such point.
        ValueError: the domain is neither, a state occurs twice, or the rule does not settle.
    """
    if isinstance(domain, Tensor | np.ndarray):
        return _states(log_prob, as_array(domain), tolerance)
    sides = list(domain)
    if not 1 <= len(sides) <= 2 or any(len(side) != 2 or not side[0] < side[1] for side in sides):
        raise ValueError(f"a domain is an array of all states, or a list of one or two (low, high), not {domain!r}")
    allowed = 1e-4 if tolerance is None else tolerance
    total, coarse = (_integral(log_prob, sides, n) for n in (per_axis, per_axis // 2))
    if abs(total - 1) <= allowed and abs(total - coarse) <= 10 * allowed:
        return True
    if abs(total - coarse) > max(10 * allowed, 0.01 * abs(total - 1)):
        raise ValueError(
            f"the integral is {total:.10g} with {per_axis} points an axis and {coarse:.10g} with {per_axis // 2}: the "
            "rule does not settle; take more points or a smaller box"
        )
    raise AssertionError(
        f"integral of p = 1 broken: over the box {_box(sides)} it is {total:.10g}{_constant(total)}"
        + ("; or the box leaves mass out" if total < 1 else "")
    )


def _states(log_prob: Callable[[Tensor], Any], states: np.ndarray, tolerance: float | None) -> bool:
    if states.ndim < 1 or not states.size:
        raise ValueError(f"all states (M, ...) are needed, found shape {states.shape}")
    different = len(np.unique(states.reshape(len(states), -1), axis=0))
    if different < len(states):
        raise ValueError(f"of the {len(states)} states only {different} are different: each must be there once")
    log_p = _values(log_prob, states)
    allowed = tolerance if tolerance is not None else 1e-9 if log_p.dtype == np.float64 else 1e-6
    p = np.exp(log_p.astype(np.float64))
    if (p > 1 + allowed).any():
        first = int((p > 1 + allowed).argmax())
        raise AssertionError(f"p(x) <= 1 broken: p = {p[first]:.10g} at x = {written(states[first])}")
    total = float(p.sum())
    if abs(total - 1) <= allowed:
        return True
    raise AssertionError(f"sum of p = 1 broken: over all {len(states)} states it is {total:.10g}{_constant(total)}")


def _integral(log_prob: Callable[[Tensor], Any], sides: list[tuple[float, float]], per_axis: int) -> float:
    """By the midpoint rule, which converges faster than any power for smooth densities that vanish at the edges."""
    lines = [low + (high - low) * (np.arange(per_axis) + 0.5) / per_axis for low, high in sides]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, len(sides))
    cell = math.prod((high - low) / per_axis for low, high in sides)
    return float(np.exp(_values(log_prob, points).astype(np.float64)).sum() * cell)


def _values(log_prob: Callable[[Tensor], Any], points: np.ndarray) -> np.ndarray:
    parts = []
    for start in range(0, len(points), _ROWS):
        rows = points[start : start + _ROWS]
        with no_grad():
            log_p = as_array(log_prob(Tensor(rows)))
        if log_p.shape != (len(rows),):
            raise AssertionError(f"log_prob gives shape {log_p.shape} for points {rows.shape}, not ({len(rows)},)")
        bad = np.isnan(log_p) | (log_p == math.inf)
        if bad.any():
            raise AssertionError(f"log p = {log_p[bad][0]} at x = {written(rows[bad][0])}: it must be a number or -inf")
        parts.append(log_p)
    return np.concatenate(parts)


def _constant(total: float) -> str:
    return f": log p is {math.log(total):+.6g} nats off, if by a constant" if 0 < total < math.inf else ""


def _box(sides: list[tuple[float, float]]) -> str:
    return " x ".join(f"[{low:g}, {high:g}]" for low, high in sides)
