"""Transport between Gaussians in closed form: exact (the Frechet distance) and with entropy.

    F(p, q)    = |m1 - m2|^2 + tr(A + B - 2 (A^.5 B A^.5)^.5)                     (Dowson and Landau 1982)
    OT(p, q)   = |m1 - m2|^2 + tr A + tr B - tr D + n s^2 (1 - log 2 s^2) + s^2 log|D + s^2 I|,
                 D = (4 A^.5 B A^.5 + s^4 I)^.5, of the cost |x - y|^2 + 2 s^2 KL   (Janati et al. 2020, theorem 1)

Held by tinygen/checks/divergence/transport.py and tests/divergence/test_gaussian.py.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.distributions.parameters import of_one_dtype
from tinygen.divergence.distances import point_sets
from tinygen.divergence.symmetric_root import symmetric_root
from tinygen.ops import linalg
from tinygen.tensor import ArrayLike, Tensor


def _gaussians(who: str, *given: ArrayLike) -> list[Tensor]:
    first, a, second, b = values = of_one_dtype(*given)
    n = first.shape[-1:]
    if not n or second.shape != first.shape or not a.shape == b.shape == (*first.shape, *n):
        raise ValueError(
            f"{who}: means (n,) and covariances (n, n) are needed, "
            f"found {first.shape}, {a.shape}, {second.shape}, {b.shape}"
        )
    return list(values)


def frechet_distance(mean1: ArrayLike, covariance1: ArrayLike, mean2: ArrayLike, covariance2: ArrayLike) -> Tensor:
    """F, the squared Wasserstein-2 distance between two Gaussians; of features it is the "Frechet Inception
    distance" (Heusel et al. 2017). Differentiable where the covariances are not singular.

    Args:
        mean1, mean2: (..., n).
        covariance1, covariance2: (..., n, n), symmetric, positive semidefinite.

    Raises:
        ValueError: shapes that do not fit, or an eigenvalue below 0.
    """
    m1, a, m2, b = _gaussians("frechet_distance", mean1, covariance1, mean2, covariance2)
    root = symmetric_root(a)
    overlap = linalg.trace(symmetric_root(root @ b @ root))
    return ops.sum((m1 - m2) ** 2, -1) + linalg.trace(a) + linalg.trace(b) - 2.0 * overlap


def frechet_distance_of_samples(x: ArrayLike, y: ArrayLike) -> Tensor:
    """F between the Gaussians fitted to two sets of features (n, d) and (m, d), with the unbiased covariances.

    Raises:
        ValueError: shapes that do not fit, or fewer than two points.
    """
    x, y = point_sets("frechet_distance_of_samples", x, y)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"frechet_distance_of_samples: two points at least on each side, found {len(x)} and {len(y)}")
    return frechet_distance(*_fitted(x), *_fitted(y))


def _fitted(x: Tensor) -> tuple[Tensor, Tensor]:
    mean = ops.mean(x, 0)
    centred = x - mean
    return mean, centred.mT @ centred / (len(x) - 1)


def entropic_cost_of_gaussians(
    mean1: ArrayLike, covariance1: ArrayLike, mean2: ArrayLike, covariance2: ArrayLike, epsilon: float
) -> Tensor:
    """The least of E|x - y|^2 + epsilon KL(plan || p q) over couplings of two Gaussians; epsilon = 2 s^2.

    Args:
        mean1, covariance1, mean2, covariance2: as `frechet_distance`.
        epsilon: above 0; the Frechet distance as it falls to 0, the product coupling's cost as it grows.

    Raises:
        ValueError: shapes that do not fit, or an epsilon that is not above 0.
    """
    m1, a, m2, b = _gaussians("entropic_cost_of_gaussians", mean1, covariance1, mean2, covariance2)
    if not 0 < epsilon < math.inf:
        raise ValueError(f"entropic_cost_of_gaussians: epsilon must be finite and above 0, found {epsilon}")
    n, s2 = m1.shape[-1], 0.5 * epsilon
    eye = Tensor(np.eye(n, dtype=m1.dtype)).to(m1.device)
    root = symmetric_root(a)
    d = symmetric_root(4.0 * (root @ b @ root) + s2**2 * eye)
    constant = n * s2 * (1 - math.log(2 * s2))
    spread = linalg.trace(a) + linalg.trace(b) - linalg.trace(d)
    return ops.sum((m1 - m2) ** 2, -1) + spread + constant + s2 * linalg.slogdet(d + s2 * eye)[1]
