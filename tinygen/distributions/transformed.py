"""The law of y = f(x), x from a base law and f invertible: log p(y) = log p_base(x) + log|det dx/dy|.

Held by tests/distributions/test_combined.py.
"""

import math
from typing import Any

from tinygen import ops
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
        y = self._value(x)
        inside = self._inside(y)
        if inside is None:
            return self._density(y)
        low, high = self._image
        middle = 0.5 * (low + high) if high < math.inf else low + 1.0
        density = self._density(ops.where(inside, y, middle))
        return ops.where(self._over_event(inside), density, -math.inf)

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return self.bijection.forward(self.base.rsample(rng, shape))[0]

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return self.bijection.forward(self.base.sample(rng, shape))[0].detach()

    def cdf(self, x: ArrayLike) -> Tensor:
        increasing = getattr(self.bijection, "increasing", None)
        if self.event_shape or increasing is None:
            raise self._missing("cdf")
        y = self._value(x)
        low, high = self._image
        inside = self._inside(y)
        safe = y if inside is None else ops.where(inside, y, 0.5 * (low + high) if high < math.inf else low + 1.0)
        below = self.base.cdf(self.bijection.inverse(safe)[0])
        value = ops.where(increasing, below, 1.0 - below)
        return ops.where(y <= low, 0.0, ops.where(y >= high, 1.0, value))

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

    def _inside(self, y: Tensor) -> Tensor | None:
        """Where y is in the image of the map; None when that is everywhere."""
        low, high = self._image
        return None if (low, high) == (-math.inf, math.inf) else (y > low) & (y < high)

    def _over_event(self, inside: Tensor) -> Tensor:
        n = len(self.event_shape)
        return ops.all(inside, tuple(range(-n, 0))) if n else inside

    def _density(self, y: Tensor) -> Tensor:
        x, log_det = self.bijection.inverse(y)
        return self.base.log_prob(x) + (self._summed(log_det) if log_det.shape == x.shape else log_det)

    def _summed(self, value: Tensor) -> Tensor:
        n = len(self.event_shape)
        return ops.sum(value, tuple(range(-n, 0))) if n else value

    def _affine(self, what: str) -> Any:
        if not isinstance(self.bijection, Affine):
            raise self._missing(what, "estimate it over samples")
        return self.bijection
