"""The law of y = f(x), x from a base law and f invertible: log p(y) = log p_base(x) + log|det dx/dy|.

Held by tests/distributions/test_combined.py.
"""

import math
from typing import Any

from tinygen import ops
from tinygen.autodiff.tape import no_grad
from tinygen.distributions.bijections import Affine, Bijection
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.parameters import as_dtype
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


class Transformed(Distribution):
    """The image of `base` under `bijection`: a flow, or one of `Affine`, `Exp`, `Sigmoid`, `Tanh`.

    Outside the image of the map the density is 0. Mean, variance and entropy are known for `Affine` only; the
    distribution function for maps of the line that say whether they are `increasing`.

    Args:
        base: a continuous law.
        bijection: `forward(x) -> (y, log_det)` and `inverse(y) -> (x, log_det)`. A log-determinant of the shape of x
            is summed over the event's axes.

    Raises:
        ValueError: a discrete base.
    """

    def __init__(self, base: Distribution, bijection: Bijection):
        if base.discrete:
            raise ValueError(f"{self.name}: the base must be continuous, found {base.name}")
        self.base, self.bijection = base, bijection
        self.reparameterised = base.reparameterised
        super().__init__(base, base.batch_shape, base.event_shape)

    def log_prob(self, x: ArrayLike) -> Tensor:
        outside, y = self._safe(self._value(x))
        n = len(self.event_shape)
        outside = ops.any(outside, tuple(range(-n, 0))) if n else outside
        x, log_det = self.bijection.inverse(y)
        density = self.base.log_prob(x) + (self._summed(log_det) if log_det.shape == x.shape else log_det)
        return ops.where(outside, -math.inf, density)

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return self.bijection.forward(self.base.rsample(rng, shape))[0]

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        with no_grad():
            return self.bijection.forward(self.base.sample(rng, shape))[0]

    def cdf(self, x: ArrayLike) -> Tensor:
        increasing = getattr(self.bijection, "increasing", None)
        if self.event_shape or increasing is None:
            raise self._missing("cdf")
        y = self._value(x)
        outside, safe = self._safe(y)
        below = self.base.cdf(self.bijection.inverse(safe)[0])
        value = ops.where(increasing, below, 1.0 - below)
        return ops.where(outside, ops.where(y <= self._image[0], 0.0, 1.0), value)

    def entropy(self) -> Tensor:
        log_scale = self._affine("entropy").log_scale(self.dtype)
        stretch = ops.broadcast_to(log_scale, self.batch_shape + self.event_shape)
        return self.base.entropy() + self._summed(stretch)

    @property
    def mean(self) -> Tensor:
        return self._affine("mean").forward(self.base.mean)[0]

    @property
    def variance(self) -> Tensor:
        return as_dtype(self._affine("variance").scale, self.dtype) ** 2 * self.base.variance

    @property
    def _image(self) -> tuple[float, float]:
        return getattr(self.bijection, "image", (-math.inf, math.inf))

    def _safe(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Where y is outside the image of the map, and y with a point of the image in place of what is."""
        low, high = self._image
        point = 0.0 if low == -math.inf else 0.5 * (low + high) if high < math.inf else low + 1.0
        outside = (y <= low) | (y >= high)
        return outside, ops.where(outside, point, y)

    def _summed(self, value: Tensor) -> Tensor:
        n = len(self.event_shape)
        return ops.sum(value, tuple(range(-n, 0))) if n else value

    def _affine(self, what: str) -> Any:
        if not isinstance(self.bijection, Affine):
            raise self._missing(what, "estimate it over samples")
        return self.bijection
