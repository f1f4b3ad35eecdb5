"""Two-dimensional toy densities: an unlimited supply of points whose log-density is known exactly.

| name | density | source |
|---|---|---|
| eight_gaussians | 8 Gaussians on a circle of radius 4/1.414, sd 0.5/1.414 | FFJORD |
| checkerboard | uniform on the 8 squares of side 2 of one colour in [-4, 4]^2 | FFJORD |
| two_moons | 2 half circles of radius 2, sd 0.2 | FFJORD: scikit-learn's, noise 0.1, times 2, less (1, 0.2) |
| grid25 | 25 Gaussians, centres -4..4 step 2, sd 0.05 | VEEGAN, PacGAN |
| ring8 | 8 Gaussians on the unit circle, sd 0.01 | VEEGAN, PacGAN |

FFJORD: Grathwohl et al. 2019 (the scales are those of its code). VEEGAN: Srivastava et al. 2017.
PacGAN: Lin et al. 2018.

Each has `sample(n, rng)`, `log_prob(x)` (nats) and `entropy`, the least negative log-likelihood any model
can reach. `tests/data/test_densities.py` holds them together: densities integrate to 1, samples have the
entropy within 5 standard errors, and fall where the density says.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tinygen.random import Generator

Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_ROWS = 2048  # points times centres held in memory at once


class Density(Protocol):
    """What every density offers; `entropy` in nats."""

    @property
    def entropy(self) -> float: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def sample(self, n: int, rng: Generator) -> tuple[Points, Labels]:
        """n points (n, 2) float64 and the component each came from (n,) int64."""
        ...

    def log_prob(self, x: npt.ArrayLike) -> Points:
        """Log-density in nats at points (..., 2); shape (...)."""
        ...


@dataclass(frozen=True)
class Gaussians:
    """Equal mixture of isotropic Gaussians: `centres` (K, 2), one standard deviation `sd` for all."""

    centres: tuple[tuple[float, float], ...]
    sd: float
    entropy: float

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"({x:.3g}, {y:.3g})" for x, y in self.centres)

    def sample(self, n: int, rng: Generator) -> tuple[Points, Labels]:
        """Points (n, 2) and their components (n,)."""
        component = _integers(rng, len(self.centres), n)
        return np.array(self.centres)[component] + self.sd * _normal(rng, (n, 2)), component

    def log_prob(self, x: npt.ArrayLike) -> Points:
        """log (1/K) sum_k N(x; c_k, sd^2 I), shape (...) for x (..., 2)."""
        centres = np.array(self.centres)
        return _log_mean_gaussian(x, centres, np.ones(len(centres)), self.sd)


@dataclass(frozen=True)
class Checkerboard:
    """Uniform on the squares of side 2 in [-4, 4]^2 where floor(x1/2) + floor(x2/2) is even: area 32."""

    entropy: float = math.log(32)
    classes: tuple[str, ...] = ()

    def sample(self, n: int, rng: Generator) -> tuple[Points, Labels]:
        """Points (n, 2); the component is the square, 0 to 7, row by row of x1."""
        square = _integers(rng, 8, n)
        column, row = square // 2, square % 2
        corner = np.stack([2 * column - 4, 4 * row - 4 + 2 * (column % 2)], -1)
        return corner + 2 * _uniform(rng, (n, 2)), square

    def log_prob(self, x: npt.ArrayLike) -> Points:
        """-log 32 on the squares, -inf elsewhere, shape (...) for x (..., 2)."""
        x = np.asarray(x, np.float64)
        square = np.floor(x / 2).sum(-1)
        inside = (square % 2 == 0) & (x >= -4).all(-1) & (x < 4).all(-1)
        return np.where(inside, -self.entropy, -np.inf)


@dataclass(frozen=True)
class TwoMoons:
    """Two half circles, points uniform in the angle, blurred by a Gaussian of standard deviation `sd`.

    Upper arc 2 (cos a, sin a) - (1, 0.2), lower arc 2 (1 - cos a, 0.5 - sin a) - (1, 0.2), a in [0, pi].
    The density is an integral over the angle, here by Gauss-Legendre quadrature; at this blur 128 nodes
    give its log to 1e-9.
    """

    sd: float
    entropy: float
    classes: tuple[str, ...] = ("upper", "lower")

    def sample(self, n: int, rng: Generator) -> tuple[Points, Labels]:
        """Points (n, 2) and their moons (n,)."""
        moon = _integers(rng, 2, n)
        arcs = self._arcs(np.pi * _uniform(rng, (n,)))
        return arcs[moon, np.arange(n)] + self.sd * _normal(rng, (n, 2)), moon

    def log_prob(self, x: npt.ArrayLike) -> Points:
        """log of the mean over both arcs of N(x; c(a), sd^2 I), shape (...) for x (..., 2)."""
        nodes, weights = np.polynomial.legendre.leggauss(128)
        arcs = self._arcs(np.pi * (nodes + 1) / 2)
        return _log_mean_gaussian(x, arcs.reshape(-1, 2), np.tile(weights, 2), self.sd)

    @staticmethod
    def _arcs(angle: Points) -> Points:
        """The two curves at the angles (n,), as (2, n, 2)."""
        upper = np.stack([np.cos(angle), np.sin(angle)], -1)
        lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], -1)
        return 2 * np.stack([upper, lower]) - (1.0, 0.2)


def _log_mean_gaussian(x: npt.ArrayLike, centres: Points, weights: Points, sd: float) -> Points:
    """log sum_k w_k N(x; c_k, sd^2 I) / sum_k w_k for x (..., 2), centres (K, 2), weights (K,)."""
    x = np.asarray(x, np.float64)
    flat = x.reshape(-1, 2)
    result = np.empty(len(flat))
    for start in range(0, len(flat), _ROWS):
        rows = slice(start, start + _ROWS)
        exponent = -np.square(flat[rows, None] - centres).sum(-1) / (2 * sd**2)
        greatest = exponent.max(1)
        result[rows] = greatest + np.log(np.exp(exponent - greatest[:, None]) @ weights)
    return result.reshape(x.shape[:-1]) - math.log(weights.sum() * 2 * math.pi * sd**2)


def _circle(n: int, radius: float) -> tuple[tuple[float, float], ...]:
    angles = (2 * math.pi * k / n for k in range(n))
    return tuple((radius * math.cos(a), radius * math.sin(a)) for a in angles)


def _normal(rng: Generator, shape: tuple[int, ...]) -> Points:
    return rng.normal(shape, np.float64, "cpu").numpy()


def _uniform(rng: Generator, shape: tuple[int, ...]) -> Points:
    return rng.uniform(shape, np.float64, "cpu").numpy()


def _integers(rng: Generator, high: int, n: int) -> Labels:
    return rng.integers(0, high, n, "cpu").numpy()


DENSITIES: dict[str, Density] = {
    "eight_gaussians": Gaussians(_circle(8, 4 / 1.414), 0.5 / 1.414, entropy=2.8319),
    "checkerboard": Checkerboard(),
    "two_moons": TwoMoons(0.2, entropy=2.3939),
    "grid25": Gaussians(
        tuple((float(x), float(y)) for x in range(-4, 5, 2) for y in range(-4, 5, 2)), 0.05, entropy=0.0653
    ),
    "ring8": Gaussians(_circle(8, 1.0), 0.01, entropy=-4.2930),
}
