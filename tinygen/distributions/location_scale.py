"""Families closed under shift and stretch, x = loc + scale e: normal, Laplace and logistic; and the uniform.

Held by tests/distributions/test_univariate.py.
"""

import math

from tinygen import ops
from tinygen.distributions import noise
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.parameters import finite, parameters, positive
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


class LocationScale(Distribution):
    """A family x = loc + scale e with e of standard form, symmetric about 0.

    Args:
        loc: the centre.
        scale: the stretch, above 0; broadcasts against `loc`.

    Raises:
        ValueError: a scale that is not above 0, a parameter that is not finite, shapes that do not broadcast.
    """

    reparameterised = True

    def __init__(self, loc: ArrayLike, scale: ArrayLike):
        self.loc, self.scale = parameters(self.name, loc=loc, scale=scale)
        finite(self.name, "loc", self.loc)
        positive(self.name, "scale", self.scale)
        super().__init__(self.loc, self.loc.shape)

    @property
    def mean(self) -> Tensor:
        return self.loc

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return self.loc + self.scale * self._noise(rng, self._shape(shape))

    def _standard(self, x: ArrayLike) -> Tensor:
        return (self._value(x) - self.loc) / self.scale

    def _noise(self, rng: Generator, shape: tuple[int, ...]) -> Tensor:
        raise TypeError(f"{self.name} gives no noise of standard form")


class Normal(LocationScale):
    """The normal law of mean `loc` and standard deviation `scale`."""

    def log_prob(self, x: ArrayLike) -> Tensor:
        return -0.5 * self._standard(x) ** 2 - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def entropy(self) -> Tensor:
        return self.scale.log() + 0.5 * math.log(2 * math.pi * math.e)

    def cdf(self, x: ArrayLike) -> Tensor:
        return 0.5 * (1.0 + ops.erf(self._standard(x) * math.sqrt(0.5)))

    @property
    def variance(self) -> Tensor:
        return self.scale**2

    def _noise(self, rng: Generator, shape: tuple[int, ...]) -> Tensor:
        return rng.normal(shape, self.dtype, self.device)


class Laplace(LocationScale):
    """The density exp(-|x - loc| / scale) / (2 scale)."""

    def log_prob(self, x: ArrayLike) -> Tensor:
        return -ops.abs(self._standard(x)) - (2.0 * self.scale).log()

    def entropy(self) -> Tensor:
        return (2.0 * self.scale).log() + 1.0

    def cdf(self, x: ArrayLike) -> Tensor:
        z = self._standard(x)
        tail = 0.5 * ops.exp(-ops.abs(z))
        return ops.where(z > 0, 1.0 - tail, tail)

    @property
    def variance(self) -> Tensor:
        return 2.0 * self.scale**2

    def _noise(self, rng: Generator, shape: tuple[int, ...]) -> Tensor:
        return noise.laplace(rng, shape, self.device).astype(self.dtype)


class Logistic(LocationScale):
    """The law whose distribution function is sigmoid((x - loc) / scale)."""

    def log_prob(self, x: ArrayLike) -> Tensor:
        z = ops.abs(self._standard(x))
        return -z - 2.0 * ops.softplus(-z) - self.scale.log()

    def entropy(self) -> Tensor:
        return self.scale.log() + 2.0

    def cdf(self, x: ArrayLike) -> Tensor:
        return ops.sigmoid(self._standard(x))

    @property
    def variance(self) -> Tensor:
        return (math.pi**2 / 3) * self.scale**2

    def _noise(self, rng: Generator, shape: tuple[int, ...]) -> Tensor:
        return noise.logistic(rng, shape, self.device).astype(self.dtype)


class Uniform(Distribution):
    """The uniform law on [low, high].

    Raises:
        ValueError: a bound that is not finite, or `high` not above `low`.
    """

    reparameterised = True

    def __init__(self, low: ArrayLike, high: ArrayLike):
        self.low, self.high = parameters(self.name, low=low, high=high)
        finite(self.name, "low", self.low)
        finite(self.name, "high", self.high)
        positive(self.name, "high - low", self.high - self.low)
        super().__init__(self.low, self.low.shape)

    @property
    def width(self) -> Tensor:
        return self.high - self.low

    def log_prob(self, x: ArrayLike) -> Tensor:
        x = self._value(x)
        outside = (x < self.low) | (x > self.high)
        return ops.where(outside, -math.inf, 0.0 * x - self.width.log())  # of a NaN: NaN

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return self.low + self.width * rng.uniform(self._shape(shape), self.dtype, self.device)

    def entropy(self) -> Tensor:
        return self.width.log()

    def cdf(self, x: ArrayLike) -> Tensor:
        return ops.clip((self._value(x) - self.low) / self.width, 0.0, 1.0)

    @property
    def mean(self) -> Tensor:
        return 0.5 * (self.low + self.high)

    @property
    def variance(self) -> Tensor:
        return self.width**2 / 12.0
