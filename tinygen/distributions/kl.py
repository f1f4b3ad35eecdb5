"""The Kullback-Leibler divergence KL(p || q) = E_p[log p - log q], in nats: closed forms of one family with itself.

`cross_entropy.py` has the pairs of two families, `monte_carlo.py` the estimate for every other pair. The formulas are
those of Gil, Alajaji and Linder 2013, "Renyi divergence measures for commonly used univariate continuous
distributions", at order 1. Held by tinygen/checks/divergence/kl.py and tests/distributions/test_kl.py.
"""

import math

from tinygen import ops
from tinygen.autodiff.fusion import fused
from tinygen.distributions.discrete import Bernoulli, Categorical, same_categories
from tinygen.distributions.discretised_logistic import DiscretisedLogistic
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.independent import Independent
from tinygen.distributions.location_scale import Laplace, Normal, Uniform
from tinygen.distributions.multivariate_normal import MultivariateNormal
from tinygen.distributions.pairs import PairTable
from tinygen.distributions.parameters import weighted_difference
from tinygen.distributions.positive import Beta, Exponential, Gamma
from tinygen.distributions.transformed import Transformed
from tinygen.ops.special import digamma, lgamma
from tinygen.tensor import Tensor

table = PairTable("the KL divergence", "estimate it with monte_carlo_kl(p, q, n, rng)")


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) in nats, of the broadcast batch shape, by its closed form; infinite where p leaves q's support.

    Raises:
        NoClosedForm: the pair has none; `monte_carlo_kl` estimates it.
        ValueError: events of different shapes.
    """
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL of {p.name} and {q.name}: the events must have one shape, found {p.event_shape} and {q.event_shape}"
        )
    return table.find(p, q)(p, q)


@table.register(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    return _kl_of_normals(p.loc, p.scale, q.loc, q.scale)


@fused
def _kl_of_normals(loc: Tensor, scale: Tensor, other_loc: Tensor, other_scale: Tensor) -> Tensor:
    ratio, shift = scale / other_scale, (loc - other_loc) / other_scale
    return 0.5 * (ratio**2 - 1.0 + shift**2) - ratio.log()


@table.register(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    a, b = p.covariance_form, q.covariance_form
    distance = b.trace_of_ratio(a) + b.quadratic(p.loc - q.loc) - a.size
    return 0.5 * (distance + b.log_det() - a.log_det())


@table.register(Independent, MultivariateNormal)
def _independent_first(p: Independent, q: MultivariateNormal) -> Tensor:
    return kl_divergence(_as_multivariate(p, q), q)


@table.register(MultivariateNormal, Independent)
def _independent_second(p: MultivariateNormal, q: Independent) -> Tensor:
    return kl_divergence(p, _as_multivariate(q, p))


def _as_multivariate(law: Independent, other: Distribution) -> MultivariateNormal:
    if not isinstance(law.base, Normal) or law.ndim != 1:
        table.find(law.base, other)  # raises, and names the pair
    return MultivariateNormal(law.base.loc, variance=law.base.variance)  # type: ignore[attr-defined]


@table.register(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.ndim != q.ndim:
        raise ValueError(f"KL of Independent laws: ndim must agree, found {p.ndim} and {q.ndim}")
    return p.summed(kl_divergence(p.base, q.base))


@table.register(Transformed, Transformed)
def _transformed(p: Transformed, q: Transformed) -> Tensor:
    """An invertible map changes no divergence."""
    if p.bijection is not q.bijection:
        raise ValueError("KL of Transformed laws: known when both hold the same bijection object, found two")
    return kl_divergence(p.base, q.base)


@table.register(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    return weighted_difference(p.probs, p.log_p, q.log_p) + weighted_difference(1.0 - p.probs, p.log_q, q.log_q)


@table.register(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    same_categories(p, q)
    return ops.sum(weighted_difference(p.probs, p.log_probs, q.log_probs), -1)


@table.register(DiscretisedLogistic, DiscretisedLogistic)
def _discretised_logistic(p: DiscretisedLogistic, q: DiscretisedLogistic) -> Tensor:
    if (p.low, p.high, p.bins) != (q.low, q.high, q.bins):
        raise ValueError("KL of discretised logistics: both must lie on one grid (low, high, bins)")
    rank = max(len(p.batch_shape), len(q.batch_shape))
    first, second = (_with_rank(law.log_probs(), rank + 1) for law in (p, q))
    return ops.sum(weighted_difference(ops.exp(first), first, second), 0)


def _with_rank(x: Tensor, rank: int) -> Tensor:
    """Axes of size 1 put after the first, up to `rank` axes."""
    return x.reshape(x.shape[0], *(1,) * (rank - x.ndim), *x.shape[1:])


@table.register(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    inside = (p.low >= q.low) & (p.high <= q.high)
    return ops.where(inside, ops.log(q.width / p.width), math.inf)


@table.register(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    distance = ops.abs(p.loc - q.loc)
    ratio = p.scale / q.scale
    return distance / q.scale - ratio.log() + ratio * ops.exp(-distance / p.scale) - 1.0


@table.register(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1.0


@table.register(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    ratio = q.rate / p.rate
    return (a - b) * digamma(a) - lgamma(a) + lgamma(b) - b * ratio.log() + a * (ratio - 1.0)


@table.register(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    a, b = p.alpha - q.alpha, p.beta - q.beta
    spread = a * digamma(p.alpha) + b * digamma(p.beta) - (a + b) * digamma(p.alpha + p.beta)
    return q.log_normaliser - p.log_normaliser + spread
