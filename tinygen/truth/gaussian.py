"""The normal law N(mu, S): everything about it is closed. Held by tests/truth/test_gaussian_truth.py."""

import math

import numpy as np

from tinygen import ops
from tinygen.distributions import MultivariateNormal
from tinygen.distributions.covariance import solve_rows
from tinygen.distributions.parameters import as_dtype
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor
from tinygen.truth.law import Truth


class Gaussian(Truth):
    """N(mean, covariance) over vectors of D coordinates.

    Args:
        mean: (D,).
        covariance: (D, D), symmetric and positive definite, or one number v for v I.

    Attributes:
        mean, covariance: as given, in float64.

    Raises:
        ValueError: shapes that do not fit, a covariance that is none.
    """

    def __init__(self, mean: ArrayLike, covariance: ArrayLike = 1.0):
        self.mean = as_dtype(mean, np.float64)
        if self.mean.ndim != 1 or not self.mean.size:
            raise ValueError(f"Gaussian: mean must have shape (D,), found {self.mean.shape}")
        self.event_shape = self.mean.shape
        self.law = normal(self.mean, as_dtype(covariance, np.float64))
        if self.law.batch_shape:
            raise ValueError(f"Gaussian: one covariance is wanted, found a batch of shape {self.law.batch_shape}")
        self.covariance = as_dtype(covariance, np.float64)

    def sample(self, n: int, rng: Generator) -> Tensor:
        return self.law.sample(rng, n)

    def log_prob(self, x: ArrayLike) -> Tensor:
        return self.law.log_prob(self._point(x))

    def score(self, x: ArrayLike) -> Tensor:
        """-S^-1 (x - mu)."""
        return -unscaled(self.covariance, self._point(x) - self.mean)

    def entropy(self) -> float:
        """log|2 pi e S| / 2."""
        return self.law.entropy().item()

    def marginal(self, alpha_bar: float) -> "Gaussian":
        """N(sqrt(a) mu, a S + (1 - a) I)."""
        return Gaussian(math.sqrt(alpha_bar) * self.mean, noised(self.covariance, alpha_bar))


def normal(mean: Tensor, covariance: Tensor) -> MultivariateNormal:
    """N(mean, S) for means (..., D); S is matrices, or one number v for v I, which costs D and not D^3."""
    if covariance.ndim:
        return MultivariateNormal(mean, covariance)
    return MultivariateNormal(mean, variance=ops.broadcast_to(covariance, mean.shape[-1:]))


def unscaled(covariance: Tensor, x: Tensor) -> Tensor:
    """S^-1 x, along the last axis of x."""
    return solve_rows(covariance, x) if covariance.ndim else x / covariance


def noised(covariance: Tensor, alpha_bar: float) -> Tensor:
    """a S + (1 - a) I."""
    if not covariance.ndim:
        return alpha_bar * covariance + (1 - alpha_bar)
    return alpha_bar * covariance + (1 - alpha_bar) * Tensor(np.eye(covariance.shape[-1]))
