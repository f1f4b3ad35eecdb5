"""The checkerboard of FFJORD (Grathwohl et al. 2019): uniform on the 8 squares of one colour in [-4, 4]^2, area 32.

With noise an interval (l, h) becomes (Phi(u) - Phi(v)) / (sqrt(a) (h - l)), u, v = (x - sqrt(a) l or h) / sqrt(1 - a),
and the board half the sum of two products over the axes: even intervals with even ones, odd with odd.
Held by tests/truth/test_noised.py and test_toy_truths.py.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor
from tinygen.truth.law import Truth
from tinygen.truth.normal_tail import log_normal_mass

SIDE = 2.0
_EVEN = np.array([[-4.0, 0.0], [-2.0, 2.0]])  # lower ends of the even intervals, and of the odd
_AREA = 32.0


class Checkerboard(Truth):
    """Uniform on the squares of side 2 in [-4, 4)^2 where floor(x1/2) + floor(x2/2) is even."""

    def sample(self, n: int, rng: Generator) -> Tensor:
        return self.sample_labelled(n, rng)[0]

    def sample_labelled(self, n: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """Points (n, 2) and the square each lies in, (n,) int64 from 0 to 7, row by row of x1."""
        square = rng.integers(0, 8, n, "cpu")
        label = np.asarray(square)
        column, row = label // 2, label % 2
        corner = np.stack([2 * column - 4, 4 * row - 4 + 2 * (column % 2)], -1)
        return Tensor(corner.astype(np.float64)) + SIDE * rng.uniform((n, 2), np.float64, "cpu"), square

    def log_prob(self, x: ArrayLike) -> Tensor:
        """-log 32 on the squares, -inf elsewhere."""
        point = np.asarray(self._point(x))
        square = np.floor(point / SIDE).sum(-1)
        inside = (square % 2 == 0) & (point >= -4).all(-1) & (point < 4).all(-1)
        return Tensor(np.where(inside, -math.log(_AREA), -math.inf))

    def score(self, x: ArrayLike) -> Tensor:
        """0, at the edges too, where the density jumps."""
        return ops.zeros_like(self._point(x))

    def entropy(self) -> float:
        """log 32."""
        return math.log(_AREA)

    def marginal(self, alpha_bar: float) -> "BlurredCheckerboard":
        return BlurredCheckerboard(alpha_bar)


class BlurredCheckerboard(Truth):
    """The law of sqrt(scale) x + sqrt(1 - scale) e for x on the board, 0 < scale < 1."""

    def __init__(self, scale: float):
        self.scale = scale

    def sample(self, n: int, rng: Generator) -> Tensor:
        x = Checkerboard().sample(n, rng)
        return math.sqrt(self.scale) * x + math.sqrt(1 - self.scale) * rng.normal((n, 2), np.float64, "cpu")

    def log_prob(self, x: ArrayLike) -> Tensor:
        point = ops.expand_dims(self._point(x), (-1, -2))  # (..., 2, colour, interval)
        shrink, sd = math.sqrt(self.scale), math.sqrt(1 - self.scale)
        mass = log_normal_mass((point - shrink * (_EVEN + SIDE)) / sd, (point - shrink * _EVEN) / sd)
        of_axis = ops.logsumexp(mass, -1) - math.log(4 * SIDE * shrink / math.sqrt(2))
        return ops.logsumexp(ops.sum(of_axis, -2), -1)

    def marginal(self, alpha_bar: float) -> "BlurredCheckerboard":
        return BlurredCheckerboard(self.scale * alpha_bar)


def checkerboard() -> Checkerboard:
    """The board, as the other toy densities are called."""
    return Checkerboard()
