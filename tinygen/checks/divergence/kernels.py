"""Maximum mean discrepancy with the Gaussian kernel: its closed form, and the mean of its estimates (CHECKS 28)."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from tinygen.checks.expectations import gauss_hermite
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.distributions import Independent, MultivariateNormal, Normal
from tinygen.divergence import expected_rbf, mmd_biased, mmd_gaussians, mmd_unbiased, rbf_kernel
from tinygen.drawing import Curves
from tinygen.tensor import Tensor

H = 0.9
POINTS = np.array([[0.0, 0.0], [1.0, 0.2], [-0.5, 1.5]])
P, Q = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.1, 0.3])


def _picture() -> Curves:
    apart = np.linspace(0, 5, 51)
    at_origin = Normal(np.array(0.0), np.array(1.0))
    lines = {
        f"h = {h:g}": np.array([mmd_gaussians(at_origin, Normal(np.array(d), np.array(1.0)), h).item() for d in apart])
        for h in (0.3, 1.0, 3.0)
    }
    caption = "MMD^2 of N(0, 1) and N(d, 1): a narrow kernel sees little and soon no more, a wide one sees far."
    return Curves(caption, apart, lines, "d", "MMD^2")


@check(
    28,
    "divergence",
    "The mean of the Gaussian kernel between Gaussians, hence MMD",
    formula=r"E\,k(x,y)=\left(\frac{h^2}{h^2+s_1^2+s_2^2}\right)^{n/2}"
    r"\exp\left(-\frac{|\delta|^2}{2(h^2+s_1^2+s_2^2)}\right)",
    statement="For k(x, y) = exp(-|x - y|^2 / (2 h^2)) and normal x, y; MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y).",
    source="Gretton et al. 2012, lemma 6; Gaussian integrals",
    picture=_picture,
)
def rbf_between_gaussians() -> Iterator[Measurement]:
    n, s1, s2, d = 3, 0.7, 1.1, np.array([0.2, -0.4, 1.0])
    p, q = MultivariateNormal(d, variance=np.full(n, s1**2)), Independent(Normal(np.zeros(n), s2))

    def formula(a: float, b: float, squared: float) -> float:
        total = H**2 + a**2 + b**2
        return (H**2 / total) ** (n / 2) * math.exp(-squared / (2 * total))

    yield equal("E k, three dimensions", expected_rbf(p, q, H), formula(s1, s2, d @ d))
    exact = formula(s1, s1, 0.0) + formula(s2, s2, 0.0) - 2 * formula(s1, s2, d @ d)
    yield equal("MMD^2, three dimensions", mmd_gaussians(p, q, H), exact)
    yield equal("MMD^2 from itself", mmd_gaussians(p, p, H), 0.0)
    e, weights = gauss_hermite(1, nodes=60)
    x, y = 0.3 + 0.8 * e, -0.5 + 1.3 * e
    laws = Normal(np.array(0.3), np.array(0.8)), Normal(np.array(-0.5), np.array(1.3))
    k = rbf_kernel(H)
    of_nodes = [weights @ k(Tensor(u), Tensor(v)).numpy() @ weights for u, v in ((x, x), (y, y), (x, y))]
    yield equal("E k of rbf_kernel, by quadrature", of_nodes[2], expected_rbf(*laws, H))
    yield equal(
        "MMD^2 of rbf_kernel, by quadrature", of_nodes[0] + of_nodes[1] - 2 * of_nodes[2], mmd_gaussians(*laws, H)
    )


def _mean_estimate(estimate: Callable[..., Tensor], n: int, m: int) -> float:
    """Over all samples of n points from P and m from Q."""
    total = 0.0
    for x in itertools.product(range(3), repeat=n):
        for y in itertools.product(range(3), repeat=m):
            x_points, y_points = POINTS[list(x)], POINTS[list(y)]
            total += P[list(x)].prod() * Q[list(y)].prod() * estimate(x_points, y_points, rbf_kernel(H)).item()
    return total


@check(
    28,
    "divergence",
    "The estimates of MMD: one without bias, one with a known one",
    formula=r"E\,\mathrm{MMD}^2_u=\mathrm{MMD}^2,\quad "
    r"E\,\mathrm{MMD}^2_b=\mathrm{MMD}^2+\frac{1-E\,k(x,x')}{n}+\frac{1-E\,k(y,y')}{m}",
    statement="All samples of 3 and of 2 points from two laws on three points are enumerated. Leaving out the pairs "
    "(x_i, x_i) removes the bias.",
    source="Gretton et al. 2012, eqs. 3 and 5",
)
def mmd_estimates() -> Iterator[Measurement]:
    k = np.exp(-((POINTS[:, None] - POINTS) ** 2).sum(-1) / (2 * H**2))
    exact = (P - Q) @ k @ (P - Q)
    yield equal("mean of the unbiased estimate", _mean_estimate(mmd_unbiased, 3, 2), exact)
    surplus = (1 - P @ k @ P) / 3 + (1 - Q @ k @ Q) / 2
    yield equal("mean of the biased estimate", _mean_estimate(mmd_biased, 3, 2), exact + surplus)
