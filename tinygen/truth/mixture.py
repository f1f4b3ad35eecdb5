"""Mixtures of Gaussians, and those of the literature: rings, grids, and FFJORD's eight.

| name | density | source |
|---|---|---|
| ring | 8 Gaussians on the unit circle, sd 0.01 | VEEGAN (Srivastava et al. 2017), PacGAN (Lin et al. 2018) |
| grid | 25 Gaussians, centres -4..4 step 2, sd 0.05 | VEEGAN, PacGAN |
| eight_gaussians | a ring of 8 of radius 4/1.414, sd 0.5/1.414 | FFJORD's code (Grathwohl et al. 2019) |

Noise keeps a mixture a mixture: sum_k w_k N(sqrt(a) mu_k, a S_k + (1 - a) I).
Held by tinygen/checks/density.py and tests/truth/test_gaussian_truth.py.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.distributions import Categorical, Mixture
from tinygen.distributions.distribution import NoClosedForm
from tinygen.distributions.parameters import as_dtype
from tinygen.ops import linalg
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor
from tinygen.truth.gaussian import noised, normal, unscaled
from tinygen.truth.law import Truth

_REACH = 9.0  # standard deviations beyond which a Gaussian has no mass in float64
_MOST = 4_000_000  # quadrature nodes times components
_CLOSE = 1e-10  # two refinements of the quadrature must agree to this


class GaussianMixture(Truth):
    """sum_k w_k N(mu_k, S_k) over vectors of D coordinates.

    Args:
        means: (K, D).
        covariances: (K, D, D), or (D, D) for all, or one number v for v I.
        weights: (K,) probabilities; equal when None.

    Raises:
        ValueError: shapes that do not fit, a covariance that is none, weights that are no probabilities.
    """

    def __init__(self, means: ArrayLike, covariances: ArrayLike, weights: ArrayLike | None = None):
        self.means = as_dtype(means, np.float64)
        if self.means.ndim != 2 or not self.means.size:
            raise ValueError(f"GaussianMixture: means must have shape (K, D), found {self.means.shape}")
        count, size = self.means.shape
        self.event_shape = (size,)
        given = as_dtype(covariances, np.float64)
        if given.shape not in ((), (size, size), (count, size, size)):
            raise ValueError(
                f"GaussianMixture: covariances must be a number, or of shape ({size}, {size}) or "
                f"({count}, {size}, {size}) as the means have it, found {given.shape}"
            )
        self.covariances = ops.broadcast_to(given, (count, size, size)) if given.ndim else given
        self.weights = as_dtype(np.full(count, 1 / count) if weights is None else weights, np.float64)
        self.components = normal(self.means, self.covariances)
        self.law = Mixture(Categorical(self.weights), self.components)

    def sample(self, n: int, rng: Generator) -> Tensor:
        return self.sample_labelled(n, rng)[0]

    def sample_labelled(self, n: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """Points (n, D) and the component each came from, (n,) int64."""
        component = self.law.weights.sample(rng, n)
        chosen = np.asarray(component)
        noise = rng.normal((n, *self.event_shape), np.float64, "cpu")
        if not self.covariances.ndim:
            return self.means[chosen] + ops.sqrt(self.covariances) * noise, component
        roots = linalg.cholesky(self.covariances)[chosen]
        return self.means[chosen] + ops.einsum("nij,nj->ni", roots, noise), component

    def log_prob(self, x: ArrayLike) -> Tensor:
        return self.law.log_prob(self._point(x))

    def posterior(self, x: ArrayLike) -> Categorical:
        """p(k | x), the law of the component that made each point (..., D)."""
        return Categorical(self.law.responsibilities(self._point(x)))

    def nearest(self, x: ArrayLike) -> tuple[Tensor, Tensor]:
        """Which component each point (..., D) is nearest to, and how far off in its standard deviations; both (...).

        The distance is Mahalanobis's: of 2-D draws of one component a share of 1 - exp(-r^2 / 2) is within r.
        """
        offset = ops.expand_dims(self._point(x), -2) - self.means
        distance = ops.sqrt((offset * unscaled(self.covariances, offset)).sum(-1))
        return ops.argmin(distance, -1), ops.min(distance, -1)

    def score(self, x: ArrayLike) -> Tensor:
        """sum_k p(k | x) S_k^-1 (mu_k - x)."""
        point = self._point(x)
        pull = unscaled(self.covariances, self.means - ops.expand_dims(point, -2))
        return ops.einsum("...k,...kd->...d", self.law.responsibilities(point), pull)

    def entropy(self) -> float:
        """By the trapezoid rule about each component, refined until two refinements agree to 1e-10 nats.

        Raises:
            NoClosedForm: they do not agree (components of very different widths), or D is above 2.
        """
        if self.event_shape[0] > 2:
            raise NoClosedForm("the entropy of a mixture is integrated in 1 or 2 dimensions only")
        widths = np.sqrt(np.linalg.eigvalsh(np.asarray(self.components.covariance)))
        per_axis = max(48, math.ceil(4 * _REACH * widths.max() / widths.min()))  # the widest's rule sees the narrowest
        before = math.inf
        while len(self.means) ** 2 * per_axis ** self.event_shape[0] <= _MOST:
            value = self._entropy(per_axis)
            if abs(value - before) <= _CLOSE:
                return value
            per_axis, before = per_axis * 3 // 2, value
        raise NoClosedForm("the quadrature of this mixture's entropy does not settle: estimate it from samples")

    def _entropy(self, per_axis: int) -> float:
        """sum_k w_k E[-log p(mu_k + L_k u)], u ~ N(0, I) on a uniform grid."""
        size = self.event_shape[0]
        line = np.linspace(-_REACH, _REACH, per_axis)
        u = np.stack(np.meshgrid(*[line] * size, indexing="ij"), -1).reshape(-1, size)
        chance = np.exp(-np.square(u).sum(-1) / 2)
        chance /= chance.sum()
        roots = np.linalg.cholesky(np.asarray(self.components.covariance))
        total = 0.0
        for weight, centre, root in zip(np.asarray(self.weights), np.asarray(self.means), roots):
            total -= weight * float(chance @ np.asarray(self.log_prob(centre + u @ root.T)))
        return total

    def marginal(self, alpha_bar: float) -> "GaussianMixture":
        """sum_k w_k N(sqrt(a) mu_k, a S_k + (1 - a) I)."""
        means = math.sqrt(alpha_bar) * self.means
        return GaussianMixture(means, noised(self.covariances, alpha_bar), self.weights)


def ring(modes: int = 8, radius: float = 1.0, sd: float = 0.01) -> GaussianMixture:
    """Equal Gaussians at equal distances on a circle, the first at (radius, 0)."""
    angles = 2 * math.pi * np.arange(modes) / modes
    return GaussianMixture(radius * np.stack([np.cos(angles), np.sin(angles)], -1), sd**2)


def grid(side: int = 5, step: float = 2.0, sd: float = 0.05) -> GaussianMixture:
    """side x side equal Gaussians about the origin, `step` apart."""
    line = step * (np.arange(side) - (side - 1) / 2)
    return GaussianMixture(np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2), sd**2)


def eight_gaussians() -> GaussianMixture:
    """The ring of 8 at FFJORD's scale."""
    return ring(8, 4 / 1.414, 0.5 / 1.414)
