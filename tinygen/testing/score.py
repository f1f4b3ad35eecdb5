"""`check_score`: a score is the gradient of log p in x. Held by tests/testing/test_check_score.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.tensor import Tensor
from tinygen.testing.counterexample import as_array, plainest, written

STEP = 2.0**-13


def check_score(
    log_prob: Callable[[Tensor], Any],
    score: Callable[[Tensor], Any],
    x: Any,
    rtol: float = 1e-6,
    step: float = STEP,
) -> bool:
    """score(x) = grad_x log p(x), by central differences at two steps, extrapolated (Richardson).

    Args:
        log_prob: log-densities (N,) of points (N, ...), up to a constant; outside its domain not finite.
        score: of the points' shape.
        x: points (N, ...) inside the domain; taken in float64.
        rtol: tolerance, relative where the gradient is above 1.
        step: of the differences, small beside the scale on which log p bends.

    Returns:
        True.

    Raises:
        AssertionError: it is not so (says what the mistake looks like, and the plainest point found that shows it),
            log p is not smooth at a point, or a shape is not what it should be.
        ValueError: x holds no point.
    """
    points = np.array(as_array(x), dtype=np.float64)
    if points.ndim < 2 or not points.size:
        raise ValueError(f"points (N, ...) are needed, N at least 1, found shape {points.shape}")

    def value(z: np.ndarray) -> np.ndarray:
        with no_grad():
            found = as_array(log_prob(Tensor(z)))
        if found.shape != z.shape[:1]:
            raise AssertionError(f"log_prob gives shape {found.shape} for points {z.shape}, should be {z.shape[:1]}")
        return found

    def given(z: np.ndarray) -> np.ndarray:
        with no_grad():
            found = as_array(score(Tensor(z)))
        if found.shape != z.shape:
            raise AssertionError(f"score gives shape {found.shape} for points {z.shape}: they must be equal")
        return found

    if not np.isfinite(value(points)).all():
        outside = points[~np.isfinite(value(points))][0]
        raise AssertionError(f"log p is not finite at x = {written(outside)}: give points inside the domain")
    found = given(points)
    exact = np.stack([_gradient(value, z, step) for z in points])
    if not _differ(found, exact, rtol).any():
        return True
    hint = _mistake(found, exact, rtol)

    def message(z: np.ndarray) -> str | None:
        if not np.isfinite(value(z[None])).all():
            return None
        s = given(z[None])[0]
        gradient = _gradient(value, z, step)
        worst = int(np.abs(s - gradient).argmax())
        if not _differ(s, gradient, rtol).any():
            return None
        return (
            f"score(x) = grad log p(x) broken: at x = {written(z)} the score is {s.flat[worst]:.10g} and the gradient "
            f"{gradient.flat[worst]:.10g} in entry {worst}{hint}"
        )

    for z in points:
        said = plainest(z, message)
        if said is not None:
            raise AssertionError(said)
    raise AssertionError(f"score(x) = grad log p(x) broken in a batch of {len(points)}, and holds for each point alone")


def _differ(score: np.ndarray, gradient: np.ndarray, rtol: float) -> np.ndarray:
    return ~(np.abs(score - gradient) <= rtol * np.maximum(1.0, np.abs(gradient)))


def _gradient(value: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: float) -> np.ndarray:
    """Central differences in every entry of one point, all in one batch."""
    moves = step * np.eye(x.size).reshape(x.size, *x.shape)
    batch = np.concatenate([x + moves, x - moves, x + moves / 2, x - moves / 2])
    right, left, near_right, near_left = value(batch).reshape(4, x.size)
    coarse, fine = (right - left) / (2 * step), (near_right - near_left) / step
    size = np.maximum(1.0, np.abs(fine))
    if not (np.abs(fine - coarse) <= 1e-2 * size).all():
        raise AssertionError(
            f"log p is not smooth at x = {written(x)}: differences at the steps {step:.3g} and {step / 2:.3g} give "
            f"{written(coarse)} and {written(fine)}; move the point from the kink, or take a smaller step"
        )
    return ((4 * fine - coarse) / 3).reshape(x.shape)


def _mistake(score: np.ndarray, gradient: np.ndarray, rtol: float) -> str:
    """The factor between the two, where there is one."""
    used = np.abs(gradient) > 1e-6
    if not used.any() or not np.isfinite(score).all():
        return ""
    factor = float((score * gradient).sum() / np.square(gradient).sum())
    if _differ(score, factor * gradient, 10 * rtol).any():
        return ""
    return (
        "; the sign is wrong" if abs(factor + 1) < 1e-5 else f"; at every point it is {factor:.6g} times the gradient"
    )
