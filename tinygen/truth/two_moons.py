"""The two moons of FFJORD (Grathwohl et al. 2019): scikit-learn's, noise 0.1, times 2, less (1, 0.2).

Upper arc 2 (cos a, sin a) - (1, 0.2), lower arc 2 (1 - cos a, 0.5 - sin a) - (1, 0.2), a uniform in [0, pi], blurred by
a Gaussian. The density is an integral over the angle, by Gauss-Legendre quadrature a mixture of Gaussians: at blur 0.2
its 128 nodes give log p to 1e-9, and noise only makes it smoother.
Held by tinygen/checks/density.py and tests/truth/test_toy_truths.py.
"""

import numpy as np

from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor
from tinygen.truth.law import Truth
from tinygen.truth.mixture import GaussianMixture

_NODES = 128


class TwoMoons(Truth):
    """Two half circles of radius 2, blurred by a Gaussian.

    Args:
        sd: the blur, at least 0.1, where the quadrature still resolves it.

    Raises:
        ValueError: a smaller one.

    Attributes:
        mixture: the density as a mixture of 256 Gaussians.
    """

    def __init__(self, sd: float = 0.2):
        if not sd >= 0.1:
            raise ValueError(f"two moons: sd must be 0.1 or above, found {sd}")
        self.sd = float(sd)
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        arcs = _arcs(np.pi * (nodes + 1) / 2).reshape(-1, 2)
        weights = np.tile(weights, 2)
        self.mixture = GaussianMixture(arcs, self.sd**2, weights / weights.sum())

    def sample(self, n: int, rng: Generator) -> Tensor:
        return self.sample_labelled(n, rng)[0]

    def sample_labelled(self, n: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """Points (n, 2), with the angle drawn and not the node, and the moon of each, (n,) int64: 0 the upper."""
        moon = rng.integers(0, 2, n, "cpu")
        arcs = _arcs(np.pi * np.asarray(rng.uniform(n, np.float64, "cpu")))
        chosen = arcs[np.asarray(moon), np.arange(n)]
        return chosen + self.sd * rng.normal((n, 2), np.float64, "cpu"), moon

    def log_prob(self, x: ArrayLike) -> Tensor:
        return self.mixture.log_prob(x)

    def score(self, x: ArrayLike) -> Tensor:
        return self.mixture.score(x)

    def entropy(self) -> float:
        """-sum p log p on a uniform grid, which converges faster than any power of its step."""
        step = self.sd / 4
        reach = np.arange(-3.0 - 9 * self.sd, 3.0 + 9 * self.sd, step)
        total = 0.0
        for across in reach:
            log_p = np.asarray(self.log_prob(np.stack([np.full_like(reach, across), reach], -1)))
            total -= float((np.exp(log_p) * log_p).sum())
        return total * step**2

    def marginal(self, alpha_bar: float) -> GaussianMixture:
        return self.mixture.marginal(alpha_bar)


def two_moons(sd: float = 0.2) -> TwoMoons:
    """The moons, as the other toy densities are called."""
    return TwoMoons(sd)


def _arcs(angle: np.ndarray) -> np.ndarray:
    """The two curves at the angles (n,), as (2, n, 2)."""
    upper = np.stack([np.cos(angle), np.sin(angle)], -1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], -1)
    return 2 * np.stack([upper, lower]) - (1.0, 0.2)
