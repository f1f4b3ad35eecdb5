"""Jensen-Shannon divergence and total variation, by closed forms of pairs of distributions, in nats.

    JS(p, q) = KL(p || m)/2 + KL(q || m)/2, m = (p + q)/2           (Lin 1991), at most log 2
    TV(p, q) = sup over events of |P - Q| = the integral of |p - q|, halved, at most 1

On the line TV is a sum over the intervals between the points where the densities cross: |difference of the two
distribution functions' increments|, halved. There the densities are equal, so the points carry no gradient.
Vectors of probabilities are `Categorical` laws. Held by tests/divergence/test_classical.py.
"""

import math

from tinygen import ops
from tinygen.distributions.discrete import Bernoulli, Categorical, same_categories
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.kl import kl_divergence
from tinygen.distributions.location_scale import Laplace, Normal, Uniform
from tinygen.distributions.pairs import PairTable
from tinygen.distributions.positive import Exponential
from tinygen.tensor import Tensor

_js = PairTable("the Jensen-Shannon divergence", "estimate KL to the mixture with monte_carlo_kl")
_tv = PairTable("the total variation", "estimate E_q|p/q - 1|/2 over samples")


def jensen_shannon(p: Distribution, q: Distribution) -> Tensor:
    """JS(p, q) in nats, of the broadcast batch shape: categorical, Bernoulli and uniform pairs.

    Raises:
        NoClosedForm: another pair.
    """
    return _js.find(p, q)(p, q)


def total_variation(p: Distribution, q: Distribution) -> Tensor:
    """TV(p, q), of the broadcast batch shape: categorical, Bernoulli, uniform, normal, Laplace, exponential pairs.

    Raises:
        NoClosedForm: another pair.
    """
    return _tv.find(p, q)(p, q)


@_js.register(Categorical, Categorical)
def _js_categorical(p: Categorical, q: Categorical) -> Tensor:
    same_categories(p, q)
    middle = Categorical(0.5 * (p.probs + q.probs))
    return 0.5 * (kl_divergence(p, middle) + kl_divergence(q, middle))


@_js.register(Bernoulli, Bernoulli)
def _js_bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    middle = Bernoulli(0.5 * (p.probs + q.probs))
    return 0.5 * (kl_divergence(p, middle) + kl_divergence(q, middle))


@_js.register(Uniform, Uniform)
def _js_uniform(p: Uniform, q: Uniform) -> Tensor:
    both = ops.maximum(ops.minimum(p.high, q.high) - ops.maximum(p.low, q.low), 0.0)
    mass_p, mass_q = both / p.width, both / q.width
    share_p = q.width / (p.width + q.width)  # p / (p + q) where both have mass
    inside = mass_p * ops.log(2.0 * share_p) + mass_q * ops.log(2.0 * (1.0 - share_p))
    return 0.5 * (inside + (2.0 - mass_p - mass_q) * math.log(2))


@_tv.register(Categorical, Categorical)
def _tv_categorical(p: Categorical, q: Categorical) -> Tensor:
    same_categories(p, q)
    return 0.5 * ops.sum(ops.abs(p.probs - q.probs), -1)


@_tv.register(Bernoulli, Bernoulli)
def _tv_bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    return ops.abs(p.probs - q.probs)


@_tv.register(Uniform, Uniform)
def _tv_uniform(p: Uniform, q: Uniform) -> Tensor:
    return _between(p, q, [p.low, p.high, q.low, q.high])


@_tv.register(Exponential, Exponential)
def _tv_exponential(p: Exponential, q: Exponential) -> Tensor:
    return _between(p, q, [ops.log(p.rate / q.rate) / _nonzero(p.rate - q.rate)])


@_tv.register(Normal, Normal)
def _tv_normal(p: Normal, q: Normal) -> Tensor:
    """log p = log q is a quadratic equation a x^2 - 2 b x + c = 0 in the distance from p's mean."""
    d = q.loc - p.loc
    a = p.scale**-2 - q.scale**-2
    b = -d / q.scale**2
    c = -(d**2) / q.scale**2 - 2.0 * ops.log(q.scale / p.scale)
    root = ops.sqrt(ops.maximum(b * b - a * c, 0.0))
    larger = b + ops.where(b >= 0, root, -root)  # no cancellation: the other root is c / larger
    first, second = larger / _nonzero(a), c / _nonzero(larger)
    return _between(p, q, [ops.where(a == 0, second, first) + p.loc, second + p.loc])


@_tv.register(Laplace, Laplace)
def _tv_laplace(p: Laplace, q: Laplace) -> Tensor:
    """|x - m1|/b1 + log b1 = |x - m2|/b2 + log b2, with each choice of the two signs."""
    points = []
    for s in (-1.0, 1.0):
        for t in (-1.0, 1.0):
            slope = s / p.scale - t / q.scale
            level = ops.log(q.scale / p.scale) + s * p.loc / p.scale - t * q.loc / q.scale
            points.append(level / _nonzero(slope))
    return _between(p, q, points)


def _nonzero(x: Tensor) -> Tensor:
    return ops.where(x == 0, 1.0, x)


def _between(p: Distribution, q: Distribution, points: list[Tensor]) -> Tensor:
    """Half the sum of |P - Q| over the intervals that `points` cut the line into; extra points do no harm."""
    cuts = ops.sort(ops.stack(ops.broadcast_arrays(*points)).detach(), 0)
    gap = p.cdf(cuts) - q.cdf(cuts)
    ends = ops.zeros_like(gap[:1])
    return 0.5 * ops.sum(ops.abs(ops.diff(ops.concat([ends, gap, ends]), 0)), 0)
