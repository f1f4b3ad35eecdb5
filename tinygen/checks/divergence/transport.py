"""Transport: on the line, between finite laws, between Gaussians (CHECKS 26)."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from tinygen.checks.expectations import integral
from tinygen.checks.measurement import Measurement, at_least, at_most, equal
from tinygen.checks.registry import check
from tinygen.distributions import Categorical, Distribution, Exponential, Laplace, Logistic, Normal, Uniform
from tinygen.divergence import frechet_distance, total_variation, transport, wasserstein_1, wasserstein_1d
from tinygen.drawing import Curves

# Each of one family; the third entry is where the two distribution functions cross, if they do.
PAIRS = (
    (Normal(np.array(0.3), np.array(0.8)), Normal(np.array(-0.5), np.array(1.7)), 91 / 90),
    (Normal(np.array(0.3), np.array(0.8)), Normal(np.array(-0.5), np.array(0.8)), None),
    (Laplace(np.array(0.4), np.array(0.6)), Laplace(np.array(-0.2), np.array(1.9)), 88 / 130),
    (Logistic(np.array(-0.4), np.array(0.5)), Logistic(np.array(0.7), np.array(1.1)), -79 / 60),
    (Uniform(np.array(0.0), np.array(1.0)), Uniform(np.array(-0.5), np.array(2.2)), 5 / 17),
    (Uniform(np.array(0.0), np.array(1.0)), Uniform(np.array(0.5), np.array(2.0)), None),
    (Uniform(np.array(0.0), np.array(1.0)), Uniform(np.array(1.0), np.array(2.2)), None),
    (Exponential(np.array(0.5)), Exponential(np.array(3.0)), None),
)
KINKS = [-0.5, -0.2, 0.0, 0.4, 0.5, 1.0, 2.0, 2.2]


def _between(p: Distribution, q: Distribution) -> Callable[[np.ndarray], np.ndarray]:
    """|F - G|."""
    return lambda x: np.abs(p.cdf(x).numpy() - q.cdf(x).numpy())


def _picture() -> Curves:
    p, q, _ = PAIRS[0]
    x = np.linspace(-5, 5, 201)
    f, g = p.cdf(x).numpy(), q.cdf(x).numpy()
    caption = f"The area under |F - G| is the distance W1 = {wasserstein_1(p, q).item():.4f}."
    return Curves(caption, x, {"F": f, "G": g, "|F - G|": np.abs(f - g)}, "x", "")


@check(
    26,
    "divergence",
    "W1 on the line is the area between the distribution functions",
    formula=r"W_1(P,Q)=\int|F(x)-G(x)|\,dx=\int_0^1|F^{-1}(u)-G^{-1}(u)|\,du",
    statement="Between laws of one family in closed form, between weighted points as a finite sum; equal numbers of "
    "points are matched in order.",
    source="Vallender 1974",
    picture=_picture,
)
def wasserstein_line() -> Iterator[Measurement]:
    for p, q, crossing in PAIRS:
        edges = sorted({-80.0, *KINKS, 5.0, 80.0, *([] if crossing is None else [crossing])})
        area = integral(_between(p, q), edges)
        yield equal(f"two {p.name} laws", wasserstein_1(p, q), area)
    rng = np.random.default_rng(0)
    x, y, a, b = rng.normal(size=5), rng.normal(size=7), rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(7))
    ends = np.sort(np.concatenate([x, y]))
    f, g = ((w * (v <= ends[:-1, None])).sum(1) for v, w in ((x, a), (y, b)))
    yield equal("5 points and 7, weighted", wasserstein_1d(x, y, a, b), np.abs(f - g) @ np.diff(ends))
    y = rng.normal(size=5)
    yield equal("5 points and 5", wasserstein_1d(x, y), np.abs(np.sort(x) - np.sort(y)).mean())
    labels = np.arange(7.0)
    c = rng.dirichlet(np.ones(7))
    yield equal(
        "two categorical laws", wasserstein_1(Categorical(b), Categorical(c)), wasserstein_1d(labels, labels, b, c)
    )


@check(
    26,
    "divergence",
    "The transport program and its dual have one value",
    formula=r"\min_{P1=a,\,P^T1=b}\langle P,C\rangle=\max_{f_i+g_j\leq C_{ij}}\langle f,a\rangle+\langle g,b\rangle",
    statement="The plan moves exactly the masses, the potentials stay below the cost, and both are worth the same, so "
    "neither can be improved. With equal masses it is the best of all assignments; on the line it is W1; with the "
    "discrete metric it is the total variation.",
    source="Kantorovich 1942; Ahuja, Magnanti and Orlin 1993, section 9.7",
)
def transport_duality() -> Iterator[Measurement]:
    rng = np.random.default_rng(1)
    cost, a, b = rng.normal(size=(6, 8)), rng.dirichlet(np.full(6, 0.7)), rng.dirichlet(np.full(8, 0.7))
    found = transport(cost, a, b)
    plan, f, g = (v.numpy() for v in found[1:])
    yield equal("rows of the plan", plan.sum(1), a)
    yield equal("columns of the plan", plan.sum(0), b)
    yield at_least("least mass moved", plan.min(), 0.0)
    yield at_most("greatest f + g - C", (f[:, None] + g - cost).max(), 0.0, 1e-12)
    yield equal("value of the plan", found.cost, (plan * cost).sum())
    yield equal("value of the potentials", f @ a + g @ b, found.cost)
    cost = rng.uniform(size=(6, 6))
    best = min(cost[range(6), order].mean() for order in map(list, itertools.permutations(range(6))))
    yield equal("best of the 720 assignments of 6", transport(cost).cost, best)
    x, y = rng.normal(size=6), rng.normal(size=8)
    yield equal("W1 on the line", transport(np.abs(x[:, None] - y), a, b).cost, wasserstein_1d(x, y, a, b))
    c = rng.dirichlet(np.ones(6))
    tv = total_variation(Categorical(a), Categorical(c))
    yield equal("total variation", transport(1 - np.eye(6), a, c).cost, tv)


@check(
    26,
    "divergence",
    "The Frechet distance is Bures' distance of the covariances",
    formula=r"|m_1-m_2|^2+\mathrm{tr}\left(A+B-2(A^{1/2}BA^{1/2})^{1/2}\right)=|m_1-m_2|^2+"
    r"\min_{U^TU=I}\|L_A-L_BU\|_F^2",
    statement="The squared Wasserstein-2 distance of two Gaussians, as used for image features, is the least distance "
    "between roots L of the covariances over all rotations; where they commute it compares standard deviations.",
    source="Dowson and Landau 1982; Bhatia, Jain and Lim 2019, theorem 1",
)
def bures_distance() -> Iterator[Measurement]:
    rng = np.random.default_rng(0)
    m1, m2 = rng.normal(size=(2, 3))
    A, B = (v @ v.T / 3 for v in rng.normal(size=(2, 3, 5)))
    value = frechet_distance(m1, A, m2, B)
    roots = np.linalg.cholesky(A), np.linalg.cholesky(B)
    left, _, right = np.linalg.svd(roots[1].T @ roots[0])  # the best rotation (Schonemann 1966)
    yield equal("three dimensions", value, (m1 - m2) @ (m1 - m2) + ((roots[0] - roots[1] @ left @ right) ** 2).sum())
    yield equal("the other way round", frechet_distance(m2, B, m1, A), value)
    a, b, zero = np.array([1.0, 4.0, 0.0]), np.array([9.0, 1.0, 4.0]), np.zeros(3)
    commuting = frechet_distance(zero, np.diag(a), zero, np.diag(b))
    yield equal("diagonal, one of them singular", commuting, ((np.sqrt(a) - np.sqrt(b)) ** 2).sum())
    u = (np.arange(200) + 0.5) / 200
    z = np.log(u / (1 - u))  # any two affine images of one sample are matched in order
    matched = ((0.9 - 0.4 * z) ** 2).mean()
    moments = [np.array(v) for v in ([0.3], [[0.8**2 * (z**2).mean()]], [-0.6], [[1.2**2 * (z**2).mean()]])]
    yield equal("the best coupling on the line", frechet_distance(*moments), matched)
