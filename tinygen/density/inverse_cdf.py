"""Sampling on the line by the inverse of the distribution function: F^-1(u), u uniform, has the distribution F.

The inverse is the generalised one, the least x with F(x) >= u, by bisection: F may have jumps and flat parts.
Held by tests/density/test_inverse_cdf.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor

_HALVINGS = 200  # down to two neighbouring numbers, from any interval


def inverse_cdf(cdf: Callable[[Tensor], Any], u: ArrayLike, low: float, high: float) -> Tensor:
    """The least x in [low, high] with F(x) >= u, to the last bit; float64, of u's shape.

    Args:
        cdf: F, which must not fall.
        u: probabilities from 0 to 1.
        low, high: where the law lives; u below F(low) gives low, u above F(high) gives high.

    Raises:
        ValueError: a u outside [0, 1], or low is not below high, or F falls from low to high.
    """
    u = np.asarray(u, np.float64)
    if not ((u >= 0) & (u <= 1)).all():
        raise ValueError("u must be probabilities from 0 to 1")
    if not low < high:
        raise ValueError(f"low must be below high, found {low} and {high}")

    def of(x: np.ndarray) -> np.ndarray:
        with no_grad():
            return np.asarray(cdf(Tensor(x)))

    ends = of(np.array([low, high], np.float64))
    if not ends[0] <= ends[1]:
        raise ValueError(f"a distribution function does not fall: F({low:g}) = {ends[0]:g}, F({high:g}) = {ends[1]:g}")
    left, right = np.full(u.shape, low, np.float64), np.full(u.shape, high, np.float64)
    right = np.where(ends[0] >= u, left, right)
    for _ in range(_HALVINGS):
        middle = left + (right - left) / 2
        if ((middle == left) | (middle == right)).all():
            break
        reached = of(middle) >= u
        left, right = np.where(reached, left, middle), np.where(reached, middle, right)
    return Tensor(right)


def sample_by_inverse_cdf(cdf: Callable[[Tensor], Any], n: int, rng: Generator, low: float, high: float) -> Tensor:
    """n independent draws of the law with the distribution function F on [low, high], (n,) float64."""
    return inverse_cdf(cdf, rng.uniform(n, np.float64, "cpu"), low, high)
