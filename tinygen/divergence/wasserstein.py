"""The Wasserstein-1 distance on the line, W1(P, Q) = the integral of |F - G| (Vallender 1974).

Between two laws of one location-scale family the best coupling moves equal quantiles onto each other, so the distance
is E|d + (s - r) e|, an absolute moment. `transport` has the distance between small discrete laws anywhere.
Held by tinygen/checks/divergence/transport.py and tests/divergence/test_wasserstein.py.
"""

import numpy as np

from tinygen import ops
from tinygen.distributions.cross_entropy import mean_distance
from tinygen.distributions.discrete import Bernoulli, Categorical, same_categories
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.location_scale import Laplace, LocationScale, Logistic, Normal, Uniform
from tinygen.distributions.pairs import PairTable
from tinygen.distributions.parameters import of_one_dtype, require
from tinygen.distributions.positive import Exponential
from tinygen.tensor import ArrayLike, Tensor

_table = PairTable("the Wasserstein-1 distance", "draw samples and use wasserstein_1d")


def wasserstein_1d(x: ArrayLike, y: ArrayLike, a: ArrayLike | None = None, b: ArrayLike | None = None) -> Tensor:
    """W1 between the points x with masses a and y with masses b: the integral of |F - G|, a finite sum. Differentiable.

    Args:
        x: (..., n); y: (..., m). The leading axes are a batch and must be equal.
        a, b: masses of the shapes of x and y, 0 or above, of equal sums; 1/n and 1/m by default.

    Raises:
        ValueError: shapes that do not fit, a negative mass, unequal sums.
    """
    x, y = of_one_dtype(x, y)
    if not x.ndim or not y.ndim or x.shape[:-1] != y.shape[:-1] or not x.size or not y.size:
        raise ValueError(f"wasserstein_1d: shapes (..., n) and (..., m) are needed, found {x.shape} and {y.shape}")
    mass_x, mass_y = _mass("a", x, a), _mass("b", y, b)
    total_x, total_y = (np.asarray(ops.sum(m.detach(), -1)) for m in (mass_x, mass_y))
    if not np.allclose(total_x, total_y, rtol=1e-5 if x.dtype == np.float32 else 1e-9, atol=0):
        raise ValueError(f"wasserstein_1d: a and b must have equal sums, found {total_x} and {total_y}")
    points = ops.concat([x, y], axis=-1)
    order = ops.argsort(points.detach(), -1)
    gaps = ops.diff(ops.take_along_axis(points, order, -1))
    jumps = ops.take_along_axis(ops.concat([mass_x, -mass_y], axis=-1), order, -1)
    difference = ops.cumulative_sum(jumps, -1)[..., :-1]
    return ops.sum(ops.abs(difference) * gaps, -1)


def _mass(name: str, points: Tensor, given: ArrayLike | None) -> Tensor:
    if given is None:
        return ops.full_like(points, 1.0 / points.shape[-1])
    mass = of_one_dtype(points, given)[1]
    if mass.shape != points.shape:
        raise ValueError(f"wasserstein_1d: {name} must have its points' shape {points.shape}, found {mass.shape}")
    require("wasserstein_1d", name, mass, mass._data >= 0, "0 or above")
    return mass


def wasserstein_1(p: Distribution, q: Distribution) -> Tensor:
    """W1(p, q) in closed form, of the broadcast batch shape: two normal, Laplace, logistic, uniform, exponential,
    Bernoulli or categorical laws (these on the labels as numbers).

    Raises:
        NoClosedForm: another pair.
    """
    return _table.find(p, q)(p, q)


def _location_scale(p: LocationScale, q: LocationScale) -> Tensor:
    shift, stretch = p.loc - q.loc, ops.abs(p.scale - q.scale)
    equal = stretch == 0
    moved = type(p)(shift, ops.where(equal, 1.0, stretch))
    return ops.where(equal, ops.abs(shift), mean_distance(moved, ops.zeros_like(shift)))


for _family in (Normal, Laplace, Logistic):
    _table.register(_family, _family)(_location_scale)


@_table.register(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    """The distance of equal quantiles runs linearly from one end's to the other's."""
    s, t = ops.broadcast_arrays(p.low - q.low, p.high - q.high)
    crossing = s * t < 0
    size = ops.abs(s) + ops.abs(t)
    return ops.where(crossing, 0.5 * (s**2 + t**2) / ops.where(crossing, size, 1.0), 0.5 * size)


@_table.register(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    return ops.abs(p.mean - q.mean)


@_table.register(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    return ops.abs(p.probs - q.probs)


@_table.register(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    same_categories(p, q)
    return ops.sum(ops.abs(ops.cumulative_sum(p.probs - q.probs, -1)[..., :-1]), -1)
