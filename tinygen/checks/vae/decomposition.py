"""The mean KL to the prior in its three parts, by quadrature, on data sets whose parts are known (CHECKS 8)."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen.checks.expectations import gauss_hermite
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.distributions import Normal
from tinygen.tensor import Tensor
from tinygen.vae.decomposition import Parts, decompose_kl


def _parts(means: np.ndarray, scales: np.ndarray, nodes: int = 40) -> Parts:
    """Expectations under every q(z | x_n) by a quadrature of `nodes` an axis."""
    e, weights = gauss_hermite(means.shape[1], nodes)
    z = Tensor(means + scales * e[:, None])
    return decompose_kl(Normal(means, scales), z, np.repeat(weights[:, None], len(means), axis=1))


def _mean_kl(means: np.ndarray, scales: np.ndarray) -> float:
    return float((0.5 * (scales**2 + means**2 - 1) - np.log(scales)).sum(1).mean())


@check(
    8,
    "vae",
    "The mean KL to the prior in three parts",
    formula=r"\frac{1}{N}\sum_n\mathrm{KL}(q(z|x_n)\|p)=I(x;z)+\mathrm{KL}(q(z)\|\prod_j\,q(z_j))+"
    r"\sum_j\mathrm{KL}(q(z_j)\|p(z_j))",
    statement="Mutual information, total correlation and dimension-wise KL add up to it exactly. Codes far apart tell "
    "the example, log N; a grid of codes has no total correlation; two on a diagonal have log 2.",
    source="Hoffman and Johnson 2016; Chen et al. 2018, eq. 2",
)
def kl_decomposition() -> Iterator[Measurement]:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(4, 2)), rng.uniform(0.4, 1.0, (4, 2))
    yield equal("sum of the parts, four random codes", sum(p.item() for p in _parts(*codes)), _mean_kl(*codes))

    means, scales = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]]), np.ones((3, 2))
    far = _parts(means, scales, 8)
    yield equal("information of three codes far apart", far.mutual_information, math.log(3))
    # On each axis two codes fall on each other: H(z1) + H(z2) - H(z) = 2 H(1/3) - log 3.
    of_thirds = math.log(3) - 2 / 3 * math.log(2)
    yield equal("their total correlation", far.total_correlation, 2 * of_thirds - math.log(3))

    equals = np.full((3, 2), 0.7), np.full((3, 2), 0.5)
    same = _parts(*equals)
    yield equal("information of equal codes", same.mutual_information, 0.0)
    yield equal("their total correlation", same.total_correlation, 0.0)
    yield equal("their dimension-wise KL", same.dimension_wise, _mean_kl(*equals))

    ends = np.array([-20.0, 20.0])
    grid = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    yield equal("total correlation of a grid", _parts(grid, np.full((4, 2), 0.3), 8).total_correlation, 0.0)
    diagonal = _parts(np.stack([ends, ends], 1), np.full((2, 2), 0.3), 8)
    yield equal("total correlation of a diagonal", diagonal.total_correlation, math.log(2))
