"""Finitely many points with probabilities; with noise, the exact denoiser of a finite data set.

Given x_t the points are weighted by softmax(log p_k - |x_t - sqrt(a) x_k|^2 / (2 (1 - a))): the best that any network
can learn from a data set is to average it so. Held by tests/truth/test_optimal_discriminator.py and test_noised.py.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.distributions import Categorical
from tinygen.distributions.distribution import NoClosedForm
from tinygen.distributions.parameters import as_dtype
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor
from tinygen.truth.law import Truth
from tinygen.truth.mixture import GaussianMixture


class DiscreteTable(Truth):
    """p(k) on the labels 0 ... K - 1, or on K points.

    Args:
        probs: (K,), summing to 1.
        points: (K, D), all different; without them a point is its label, of event shape ().

    Raises:
        ValueError: probabilities that are none, shapes that do not fit, a point that occurs twice.
    """

    discrete = True

    def __init__(self, probs: ArrayLike, points: ArrayLike | None = None):
        self.law = Categorical(as_dtype(probs, np.float64))
        if self.law.probs.ndim != 1:
            raise ValueError(f"DiscreteTable: probs must have shape (K,), found {self.law.probs.shape}")
        self.points = None if points is None else as_dtype(points, np.float64)
        self.event_shape = ()
        if self.points is not None:
            if self.points.ndim != 2 or len(self.points) != self.law.categories:
                raise ValueError(
                    f"DiscreteTable: {self.law.categories} probabilities need points of shape "
                    f"({self.law.categories}, D), found {self.points.shape}"
                )
            if len(np.unique(np.asarray(self.points), axis=0)) < len(self.points):
                raise ValueError("DiscreteTable: a point occurs twice: give it once, with the sum of its probabilities")
            self.event_shape = self.points.shape[1:]

    @property
    def probs(self) -> Tensor:
        """(K,)."""
        return self.law.probs

    def sample(self, n: int, rng: Generator) -> Tensor:
        """(n,) int64 labels, or (n, D) points."""
        labels = self.law.sample(rng, n)
        return labels if self.points is None else self.points[np.asarray(labels)]

    def log_prob(self, x: ArrayLike) -> Tensor:
        """log p(x); -inf where x is none of the points.

        Raises:
            ValueError: without points, an x that is no label.
        """
        if self.points is None:
            return self.law.log_prob(x)
        point = np.asarray(self._point(x))
        equal = (point[..., None, :] == np.asarray(self.points)).all(-1)
        known = equal.any(-1)
        return ops.where(known, self.law.log_probs[equal.argmax(-1)], -math.inf)

    def entropy(self) -> float:
        return self.law.entropy().item()

    def marginal(self, alpha_bar: float) -> GaussianMixture:
        """sum_k p(k) N(sqrt(a) x_k, (1 - a) I).

        Raises:
            NoClosedForm: labels are no points of a space.
        """
        if self.points is None:
            raise NoClosedForm("noise needs points of a space: give DiscreteTable points (K, D)")
        return GaussianMixture(math.sqrt(alpha_bar) * self.points, 1 - alpha_bar, self.probs)
