"""Finite mixtures: p(x) = sum over k of w_k p_k(x).

Held by tests/distributions/test_combined.py.
"""

import numpy as np

from tinygen import ops
from tinygen.distributions.discrete import Categorical
from tinygen.distributions.distribution import Distribution
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


class Mixture(Distribution):
    """A mixture of the laws along the last batch axis of `components`.

    No reparameterised sample (the choice of the component is a jump) and no closed entropy.

    Args:
        weights: a categorical law over the K components, or their probabilities, (B..., K).
        components: a batch of laws of shape (B..., K).

    Raises:
        ValueError: the numbers of weights and components differ, or their batches do not fit together.
    """

    def __init__(self, weights: Categorical | ArrayLike, components: Distribution):
        self.weights = weights if isinstance(weights, Categorical) else Categorical(weights)
        self.components = components
        self.discrete = components.discrete
        count = self.weights.categories
        if not components.batch_shape or components.batch_shape[-1] != count:
            raise ValueError(
                f"{self.name}: {count} weights need components whose batch ends in {count}, "
                f"found batch shape {components.batch_shape}"
            )
        batches = self.weights.batch_shape, components.batch_shape[:-1]
        batch, part = sorted(batches, key=len, reverse=True)
        if batch[len(batch) - len(part) :] != part:
            raise ValueError(
                f"{self.name}: batches of weights {batches[0]} and of components {batches[1]} must be equal, "
                "or one the last axes of the other"
            )
        super().__init__(components, batch, components.event_shape)

    def log_prob(self, x: ArrayLike) -> Tensor:
        return ops.logsumexp(self._joint(x), -1)

    def responsibilities(self, x: ArrayLike) -> Tensor:
        """p(k | x) for each component, along a new last axis."""
        return ops.softmax(self._joint(x), -1)

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        """A draw of every component, of which the weights choose one."""
        size = self._shape(shape)
        n = len(size) - len(self.event_shape)
        lead = size[: n - len(self.batch_shape)]
        labels = np.asarray(self.weights.sample(rng, lead + self._missing_axes(self.weights.batch_shape)))
        draws = self.components.sample(rng, lead + self._missing_axes(self.components.batch_shape[:-1]))
        draws = ops.broadcast_to(draws, (*size[:n], self.weights.categories, *self.event_shape))
        index = np.broadcast_to(labels, size[:n]).reshape(*size[:n], 1, *(1,) * len(self.event_shape))
        return ops.squeeze(ops.take_along_axis(draws, np.broadcast_to(index, (*size[:n], 1, *self.event_shape)), n), n)

    def cdf(self, x: ArrayLike) -> Tensor:
        below = self.components.cdf(ops.expand_dims(self._value(x), -1))
        return ops.sum(self.weights.probs * below, -1)

    @property
    def mean(self) -> Tensor:
        return ops.sum(self._spread(self.weights.probs) * self.components.mean, self._axis)

    @property
    def variance(self) -> Tensor:
        """Of each coordinate: mean of the variances plus variance of the means."""
        shift = self.components.mean - ops.expand_dims(self.mean, self._axis)
        return ops.sum(self._spread(self.weights.probs) * (self.components.variance + shift**2), self._axis)

    @property
    def _axis(self) -> int:
        """The components' axis in an array of all their events, counted from the end."""
        return -1 - len(self.event_shape)

    def _joint(self, x: ArrayLike) -> Tensor:
        """log w_k + log p_k(x) along a new last axis."""
        return self.weights.log_probs + self.components.log_prob(ops.expand_dims(self._value(x), self._axis))

    def _spread(self, weights: Tensor) -> Tensor:
        return weights.reshape(*weights.shape, *(1,) * len(self.event_shape))

    def _missing_axes(self, batch: tuple[int, ...]) -> tuple[int, ...]:
        """Axes of the whole batch that the batch of a part lacks: they are drawn independently."""
        return self.batch_shape[: len(self.batch_shape) - len(batch)]
