"""The toy densities of `tinygen.truth` as data: an unlimited supply of labelled points, as arrays.

| name | density | source |
|---|---|---|
| eight_gaussians | 8 Gaussians on a circle of radius 4/1.414, sd 0.5/1.414 | FFJORD |
| checkerboard | uniform on the 8 squares of side 2 of one colour in [-4, 4]^2 | FFJORD |
| two_moons | 2 half circles of radius 2, sd 0.2 | FFJORD: scikit-learn's, noise 0.1, times 2, less (1, 0.2) |
| grid25 | 25 Gaussians, centres -4..4 step 2, sd 0.05 | VEEGAN, PacGAN |
| ring8 | 8 Gaussians on the unit circle, sd 0.01 | VEEGAN, PacGAN |

FFJORD: Grathwohl et al. 2019 (the scales are those of its code). VEEGAN: Srivastava et al. 2017.
PacGAN: Lin et al. 2018.

Each has `sample(n, rng)`, `log_prob(x)` (nats), `entropy`, the least negative log-likelihood any model can reach, and
`truth` for the rest. `tests/data/test_densities.py` holds them together: densities integrate to 1, samples have the
entropy within 5 standard errors, and fall where the density says.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tinygen import truth
from tinygen.random import Generator

Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Truth = truth.GaussianMixture | truth.Checkerboard | truth.TwoMoons

_ROWS = 2048  # points held in memory at once with all their components


@dataclass(frozen=True)
class Density:
    """A toy density; `entropy` in nats, `classes` the names of the components where they have one."""

    make: Callable[[], Truth]
    entropy: float
    names: tuple[str, ...] = ()

    @cached_property
    def truth(self) -> Truth:
        """The law itself: score, noised versions, the best discriminator."""
        return self.make()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.names

    def sample(self, n: int, rng: Generator) -> tuple[Points, Labels]:
        """n points (n, 2) float64 and the component each came from (n,) int64."""
        points, component = self.truth.sample_labelled(n, rng)
        return points.numpy(), component.numpy()

    def log_prob(self, x: npt.ArrayLike) -> Points:
        """Log-density in nats at points (..., 2); shape (...)."""
        x = np.asarray(x, np.float64)
        flat = x.reshape(-1, 2)
        result = np.empty(len(flat))
        for start in range(0, len(flat), _ROWS):
            rows = slice(start, start + _ROWS)
            result[rows] = self.truth.log_prob(flat[rows]).numpy()
        return result.reshape(x.shape[:-1])


class Gaussians(Density):
    """Equal mixture of isotropic Gaussians: `centres` (K, 2), one standard deviation `sd` for all."""

    @cached_property
    def mixture(self) -> truth.GaussianMixture:
        assert isinstance(self.truth, truth.GaussianMixture)
        return self.truth

    @property
    def centres(self) -> tuple[tuple[float, float], ...]:
        return tuple((float(x), float(y)) for x, y in self.mixture.means.numpy())

    @property
    def sd(self) -> float:
        return math.sqrt(self.mixture.covariances.item())

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"({x:.3g}, {y:.3g})" for x, y in self.centres)


DENSITIES: dict[str, Density] = {
    "eight_gaussians": Gaussians(truth.eight_gaussians, 2.8319),
    "checkerboard": Density(truth.Checkerboard, math.log(32)),
    "two_moons": Density(truth.TwoMoons, 2.3939, ("upper", "lower")),
    "grid25": Gaussians(truth.grid, 0.0653),
    "ring8": Gaussians(truth.ring, -4.2930),
}
