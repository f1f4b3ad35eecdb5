"""Maximum mean discrepancy (Gretton et al. 2012, "A kernel two-sample test", equations 3 and 5), and its exact value
between Gaussians.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)

With the kernel exp(-|x - y|^2 / 2 h^2) and Gaussians, E k(x, y) is the density of N(0, h^2 I + S1 + S2) at the
difference of the means, times (2 pi h^2)^(n/2).
Held by tinygen/checks/divergence/kernels.py and tests/divergence/test_mmd.py.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygen import ops
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.independent import Independent
from tinygen.distributions.location_scale import Normal
from tinygen.distributions.multivariate_normal import MultivariateNormal
from tinygen.distributions.parameters import as_dtype
from tinygen.divergence.distances import point_sets, squared_distances
from tinygen.tensor import ArrayLike, Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]


def rbf_kernel(bandwidth: float) -> Kernel:
    """k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)), as a function of (n, d) and (m, d) that gives (n, m).

    Raises:
        ValueError: a bandwidth that is not above 0.
    """
    if not 0 < bandwidth < math.inf:
        raise ValueError(f"rbf_kernel: bandwidth must be finite and above 0, found {bandwidth}")
    return lambda x, y: ops.exp(squared_distances(x, y) * (-0.5 / bandwidth**2))


def median_bandwidth(x: ArrayLike, y: ArrayLike) -> float:
    """The median distance between different points of the two sets together, a usual choice of bandwidth.

    Raises:
        ValueError: all points are equal.
    """
    x, y = point_sets("median_bandwidth", x, y)
    both = ops.concat([x.detach(), y.detach()])
    squares = np.asarray(squared_distances(both, both))[np.triu_indices(len(both), 1)]
    apart = squares[squares > 1e-12 * np.abs(squares).max(initial=0.0)]
    if not apart.size:
        raise ValueError("median_bandwidth: all points are equal: there is no distance to take")
    return float(np.sqrt(np.median(apart)))


def mmd_biased(x: ArrayLike, y: ArrayLike, kernel: Kernel) -> Tensor:
    """MMD^2 of the two sets of points as laws: never negative; above the laws' own MMD^2 in the mean.

    Args:
        x, y: (n, d) and (m, d).
        kernel: from `rbf_kernel`, or any function of two sets of points.

    Raises:
        ValueError: shapes that do not fit.
    """
    x, y = point_sets("mmd_biased", x, y)
    return ops.mean(kernel(x, x)) + ops.mean(kernel(y, y)) - 2.0 * ops.mean(kernel(x, y))


def mmd_unbiased(x: ArrayLike, y: ArrayLike, kernel: Kernel) -> Tensor:
    """The estimate of the laws' MMD^2 without bias: the pairs (x_i, x_i) are left out, so it can be negative.

    Raises:
        ValueError: shapes that do not fit, or fewer than two points in a set.
    """
    x, y = point_sets("mmd_unbiased", x, y)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"mmd_unbiased: each set needs two points at least, found {len(x)} and {len(y)}")
    return _mean_of_pairs(kernel(x, x)) + _mean_of_pairs(kernel(y, y)) - 2.0 * ops.mean(kernel(x, y))


def _mean_of_pairs(k: Tensor) -> Tensor:
    n = len(k)
    return (ops.sum(k) - ops.sum(ops.diagonal(k))) / (n * (n - 1))


def expected_rbf(p: Distribution, q: Distribution, bandwidth: float) -> Tensor:
    """E k(x, y) of independent x ~ p and y ~ q, Gaussians, in closed form.

    Raises:
        TypeError: a law that is not Gaussian.
    """
    first, second = _gaussian(p), _gaussian(q)
    size = first.event_shape[0]
    wide = as_dtype(np.eye(size) * bandwidth**2, first.dtype).to(first.device)
    both = MultivariateNormal(first.loc - second.loc, first.covariance + second.covariance + wide)
    origin = np.zeros(size)
    return ops.exp(both.log_prob(origin) + 0.5 * size * math.log(2 * math.pi * bandwidth**2))


def mmd_gaussians(p: Distribution, q: Distribution, bandwidth: float) -> Tensor:
    """MMD^2 between two Gaussians with the kernel of `rbf_kernel(bandwidth)`, in closed form.

    Raises:
        TypeError: a law that is not Gaussian.
    """
    alone = expected_rbf(p, p, bandwidth) + expected_rbf(q, q, bandwidth)
    return alone - 2.0 * expected_rbf(p, q, bandwidth)


def _gaussian(law: Distribution) -> MultivariateNormal:
    if isinstance(law, MultivariateNormal):
        return law
    if isinstance(law, Independent) and law.ndim == 1 and isinstance(law.base, Normal):
        return MultivariateNormal(law.base.loc, variance=law.base.variance)
    if isinstance(law, Normal):
        return MultivariateNormal(ops.expand_dims(law.loc, -1), variance=ops.expand_dims(law.variance, -1))
    raise TypeError(f"mmd_gaussians: a Gaussian is needed (Normal, MultivariateNormal), found {law.name}")
