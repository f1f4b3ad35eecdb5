"""Expectations without chance: quadratures, and points and noise whose moments are exact.

A loss that is quadratic in its noise has the same mean under 2 d sigma points as under N(0, I), so a check of such a
model needs no draws. Held by tests/checks/test_expectations.py.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygen.random import Generator, Shape
from tinygen.tensor import Tensor


def gauss_hermite(size: int, nodes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Points (S, size) and weights (S,) that give expectations under N(0, I) of polynomials of degree 2 nodes - 1."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*[z] * size, indexing="ij"), -1).reshape(-1, size)
    weights = np.stack(np.meshgrid(*[w / w.sum()] * size, indexing="ij"), -1).reshape(-1, size).prod(1)
    return grid, weights


def sigma_points(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """2 d points (2 d, d) with exactly that mean and covariance."""
    values, vectors = np.linalg.eigh(covariance)
    root = math.sqrt(len(mean)) * np.sqrt(values) * vectors
    return mean + np.concatenate([root.T, -root.T])


class Given(Generator):
    """A generator whose normals are the given numbers, in the shape that is asked for, and the same each time."""

    def __init__(self, normals: np.ndarray):
        super().__init__(0)
        self.normals = normals

    def normal(self, shape: Shape, dtype: Any = np.float64, device: Any = None) -> Tensor:
        """`normals`, broadcast to `shape`."""
        return Tensor(np.broadcast_to(self.normals, shape).astype(dtype))


def crossed(x: np.ndarray, size: int) -> tuple[np.ndarray, Given]:
    """Every example of x (N, ...) with each sigma point of noise in `size` dimensions.

    Returns:
        The examples (2 size N, ...), and the generator whose normals (2 size N, size) meet them: means over the batch
        are expectations over data and noise, where the noise enters as a quadratic.
    """
    points = sigma_points(np.zeros(size), np.eye(size))
    return np.tile(x, (len(points), *(1,) * (x.ndim - 1))), Given(np.repeat(points, len(x), axis=0))


def integral(f: Callable[[np.ndarray], np.ndarray], edges: Sequence[float], per_piece: int = 400) -> float:
    """The integral of f over the pieces between `edges`, where f is smooth inside each; the ends may be singular.

    By the double exponential rule (Takahasi and Mori 1974): x = tanh(pi/2 sinh t) on each piece.
    """
    t, step = np.linspace(-3.2, 3.2, per_piece, retstep=True)
    u = 0.5 * math.pi * np.sinh(t)
    share = 1 / (1 + np.exp(-2 * u))  # of the piece's length, from its lower end
    weight = 0.5 * step * 0.5 * math.pi * np.cosh(t) / np.cosh(u) ** 2
    return sum(
        float(((high - low) * weight) @ f(low + (high - low) * share)) for low, high in itertools.pairwise(edges)
    )
