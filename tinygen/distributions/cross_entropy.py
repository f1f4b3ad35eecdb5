"""KL between two families: KL(p || q) = -H(p) - E_p[log q], where log q needs one or two moments of p.

    q normal        E x, Var x          q exponential, gamma    E x, E log x
    q Laplace       E|x - m|            q beta                  E log x, E log(1 - x)

so each moment below, given for every family that has it in closed form, serves all pairs at once. Where p puts mass
outside q's support the divergence is infinite. Held by tinygen/checks/divergence/kl.py, pair by
pair, and by tests/distributions/test_kl.py.
"""

import functools
import math
from typing import Any

from tinygen import ops
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.kl import table
from tinygen.distributions.location_scale import Laplace, Logistic, Normal, Uniform
from tinygen.distributions.positive import Beta, Exponential, Gamma, log_power
from tinygen.ops.special import digamma, lgamma
from tinygen.tensor import Tensor

LINE = (Normal, Laplace, Logistic)
HALF_LINE = (Exponential, Gamma)
INTERVAL = (Uniform, Beta)


# -- moments -------------------------------------------------------------------------------------------------


@functools.singledispatch
def mean_distance(p: Any, m: Tensor) -> Tensor:
    """E|x - m|."""
    raise TypeError(f"E|x - m| of {p.name} is not known in closed form")


@mean_distance.register
def _(p: Normal, m: Tensor) -> Tensor:
    z = (m - p.loc) / p.scale
    return p.scale * (math.sqrt(2 / math.pi) * ops.exp(-0.5 * z**2) + z * ops.erf(z * math.sqrt(0.5)))


@mean_distance.register
def _(p: Laplace, m: Tensor) -> Tensor:
    distance = ops.abs(m - p.loc)
    return distance + p.scale * ops.exp(-distance / p.scale)


@mean_distance.register
def _(p: Logistic, m: Tensor) -> Tensor:
    z = ops.abs(m - p.loc) / p.scale
    return p.scale * (z + 2.0 * ops.softplus(-z))


@mean_distance.register
def _(p: Uniform, m: Tensor) -> Tensor:
    below, above = m - p.low, p.high - m
    inside = (below**2 + above**2) / (2.0 * p.width)
    return ops.where((below >= 0) & (above >= 0), inside, ops.abs(m - p.mean))


@mean_distance.register
def _(p: Exponential, m: Tensor) -> Tensor:
    tail = 2.0 * ops.exp(-p.rate * ops.maximum(m, 0.0)) / p.rate
    return ops.where(m > 0, m - p.mean + tail, p.mean - m)


@functools.singledispatch
def mean_log(p: Any) -> Tensor:
    """E log x, of laws of x >= 0."""
    raise TypeError(f"E log x of {p.name} is not known in closed form")


@mean_log.register
def _(p: Exponential) -> Tensor:
    return -p.rate.log() - 0.57721566490153286


@mean_log.register
def _(p: Gamma) -> Tensor:
    return digamma(p.concentration) - p.rate.log()


@mean_log.register
def _(p: Beta) -> Tensor:
    return digamma(p.alpha) - digamma(p.alpha + p.beta)


@mean_log.register
def _(p: Uniform) -> Tensor:
    low = ops.maximum(p.low, 0.0)
    return (log_power(p.high, p.high) - log_power(low, low)) / p.width - 1.0


# -- pairs ---------------------------------------------------------------------------------------------------


def _infinite(p: Distribution, q: Distribution) -> Tensor:
    return ops.zeros_like(p.mean + q.mean) + math.inf


for _wide, _narrow in ((LINE, HALF_LINE), (LINE, INTERVAL), (HALF_LINE, INTERVAL)):
    table.register(_wide, _narrow)(_infinite)


@table.register((Laplace, Logistic, *INTERVAL, *HALF_LINE), Normal)
def _to_normal(p: Distribution, q: Normal) -> Tensor:
    second_moment = (p.variance + (p.mean - q.loc) ** 2) / q.variance
    return 0.5 * second_moment + q.scale.log() + 0.5 * math.log(2 * math.pi) - p.entropy()


@table.register((Normal, Logistic, Uniform, Exponential), Laplace)
def _to_laplace(p: Distribution, q: Laplace) -> Tensor:
    return mean_distance(p, q.loc) / q.scale + ops.log(2.0 * q.scale) - p.entropy()


@table.register((Exponential, Beta, Uniform), Gamma)
def _to_gamma(p: Distribution, q: Gamma) -> Tensor:
    a = q.concentration
    mean_log_q = a * q.rate.log() - lgamma(a) + (a - 1.0) * mean_log(p) - q.rate * p.mean
    return _where_positive(p, -mean_log_q - p.entropy())


@table.register((Gamma, Beta, Uniform), Exponential)
def _to_exponential(p: Distribution, q: Exponential) -> Tensor:
    return _where_positive(p, q.rate * p.mean - q.rate.log() - p.entropy())


def _where_positive(p: Distribution, value: Tensor) -> Tensor:
    return ops.where(p.low >= 0, value, math.inf) if isinstance(p, Uniform) else value


@table.register(Uniform, Beta)
def _uniform_to_beta(p: Uniform, q: Beta) -> Tensor:
    inside = (p.low >= 0) & (p.high <= 1)
    low, high = ops.where(inside, p.low, 0.25), ops.where(inside, p.high, 0.75)
    safe, mirrored = Uniform(low, high), Uniform(1.0 - high, 1.0 - low)
    mean_log_q = (q.alpha - 1.0) * mean_log(safe) + (q.beta - 1.0) * mean_log(mirrored) - q.log_normaliser
    return ops.where(inside, -mean_log_q - p.entropy(), math.inf)


@table.register(Beta, Uniform)
def _beta_to_uniform(p: Beta, q: Uniform) -> Tensor:
    return ops.where((q.low <= 0) & (q.high >= 1), q.width.log() - p.entropy(), math.inf)
