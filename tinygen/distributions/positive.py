"""Laws on the positive half-line and on the unit interval: exponential, gamma and beta.

Gamma and beta are drawn by rejection (Marsaglia and Tsang 2000): they have `sample` and no `rsample`.
Held by tests/distributions/test_univariate.py.
"""

import math

from tinygen import ops
from tinygen.distributions import noise
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.parameters import parameters, positive
from tinygen.ops.special import digamma, lgamma
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


def log_power(exponent: Tensor, x: Tensor) -> Tensor:
    """exponent * log(x) with 0 log 0 = 0."""
    zero = (x == 0) & (exponent == 0)
    return ops.where(zero, 0.0, exponent * ops.log(ops.where(zero, 1.0, x)))


class Exponential(Distribution):
    """The density rate exp(-rate x) of x >= 0, rate > 0."""

    reparameterised = True

    def __init__(self, rate: ArrayLike):
        (self.rate,) = parameters(self.name, rate=rate)
        positive(self.name, "rate", self.rate)
        super().__init__(self.rate, self.rate.shape)

    def log_prob(self, x: ArrayLike) -> Tensor:
        x = self._value(x)
        return ops.where(x < 0, -math.inf, self.rate.log() - self.rate * x)

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return noise.exponential(rng, self._shape(shape), self.device).astype(self.dtype) / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - self.rate.log()

    def cdf(self, x: ArrayLike) -> Tensor:
        return -ops.expm1(-self.rate * ops.maximum(self._value(x), 0.0))

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.rate

    @property
    def variance(self) -> Tensor:
        return self.rate**-2


class Gamma(Distribution):
    """The density rate^a x^(a-1) exp(-rate x) / Gamma(a) of x > 0, a = `concentration`; both parameters above 0.

    Its draws carry no gradient; its distribution function is the incomplete gamma function, not given here.
    """

    def __init__(self, concentration: ArrayLike, rate: ArrayLike):
        self.concentration, self.rate = parameters(self.name, concentration=concentration, rate=rate)
        positive(self.name, "concentration", self.concentration)
        positive(self.name, "rate", self.rate)
        super().__init__(self.rate, self.rate.shape)

    def log_prob(self, x: ArrayLike) -> Tensor:
        given = self._value(x)
        outside = given < 0
        v = ops.where(outside, 1.0, given)
        power = log_power(self.concentration - 1.0, v)
        value = self.concentration * self.rate.log() - lgamma(self.concentration) + power - self.rate * v
        return ops.where(outside, -math.inf, value)

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        draws = ops.exp(noise.log_gamma(rng, self.concentration.detach(), self._shape(shape)))
        return draws.astype(self.dtype) / self.rate.detach()

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + lgamma(a) + (1.0 - a) * digamma(a)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate**2


class Beta(Distribution):
    """The density x^(alpha-1) (1-x)^(beta-1) / B(alpha, beta) of x in (0, 1); both parameters above 0.

    Its draws carry no gradient; its distribution function is the incomplete beta function, not given here.
    """

    def __init__(self, alpha: ArrayLike, beta: ArrayLike):
        self.alpha, self.beta = parameters(self.name, alpha=alpha, beta=beta)
        positive(self.name, "alpha", self.alpha)
        positive(self.name, "beta", self.beta)
        super().__init__(self.alpha, self.alpha.shape)

    @property
    def log_normaliser(self) -> Tensor:
        """log B(alpha, beta)."""
        return lgamma(self.alpha) + lgamma(self.beta) - lgamma(self.alpha + self.beta)

    def log_prob(self, x: ArrayLike) -> Tensor:
        given = self._value(x)
        outside = (given < 0) | (given > 1)
        v = ops.where(outside, 0.5, given)
        value = log_power(self.alpha - 1.0, v) + log_power(self.beta - 1.0, 1.0 - v) - self.log_normaliser
        return ops.where(outside, -math.inf, value)

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        """A ratio of gamma draws, formed from their logarithms."""
        first = noise.log_gamma(rng, self.alpha.detach(), self._shape(shape))
        second = noise.log_gamma(rng, self.beta.detach(), self._shape(shape))
        return ops.sigmoid(first - second).astype(self.dtype)

    def entropy(self) -> Tensor:
        a, b = self.alpha, self.beta
        spread = (a - 1.0) * digamma(a) + (b - 1.0) * digamma(b) - (a + b - 2.0) * digamma(a + b)
        return self.log_normaliser - spread

    @property
    def mean(self) -> Tensor:
        return self.alpha / (self.alpha + self.beta)

    @property
    def variance(self) -> Tensor:
        total = self.alpha + self.beta
        return self.alpha * self.beta / (total**2 * (total + 1.0))
