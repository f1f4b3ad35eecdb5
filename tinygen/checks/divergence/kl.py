"""KL divergences: Gaussians and Laplaces by formula, every pair of the table by its integral (CHECKS 1)."""

from collections.abc import Iterator

import numpy as np

from tinygen.checks.expectations import integral
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    DiscretisedLogistic,
    Distribution,
    Exp,
    Exponential,
    Gamma,
    Independent,
    Laplace,
    Logistic,
    MultivariateNormal,
    Normal,
    Transformed,
    Uniform,
    kl_divergence,
)
from tinygen.distributions.kl import table

ON_THE_LINE: dict[type, tuple[Distribution, Distribution]] = {
    Normal: (Normal(np.array(0.3), np.array(0.8)), Normal(np.array(-0.5), np.array(1.7))),
    Laplace: (Laplace(np.array(0.4), np.array(0.6)), Laplace(np.array(-0.2), np.array(1.9))),
    Logistic: (Logistic(np.array(-0.4), np.array(0.5)), Logistic(np.array(0.7), np.array(1.1))),
    Uniform: (Uniform(np.array(0.1), np.array(0.9)), Uniform(np.array(-0.5), np.array(1.4))),
    Exponential: (Exponential(np.array(1.3)), Exponential(np.array(0.4))),
    Gamma: (Gamma(np.array(2.3), np.array(1.9)), Gamma(np.array(0.8), np.array(0.6))),
    Beta: (Beta(np.array(1.6), np.array(2.7)), Beta(np.array(2.2), np.array(0.9))),
}
"""Of each family a law to stand first and one to stand second."""
EDGES: dict[type, list[float]] = {
    Uniform: [0.1, 0.4, 0.9],
    Beta: [0.0, 0.4, 1.0],
    Exponential: [0.0, 0.4, 1.0, 5.0, 60.0],
    Gamma: [0.0, 0.4, 1.0, 5.0, 60.0],
}
"""The support of a first law, cut where either density has a kink."""
LINE = [-60.0, -5.0, -0.2, 0.4, 1.0, 5.0, 60.0]  # all but e^-75 of its mass, for the others


def _by_integral(p: Distribution, q: Distribution, edges: list[float]) -> float:
    if np.isneginf(q.log_prob(np.convolve(edges, [0.5, 0.5], "valid")).numpy()).any():
        return np.inf

    def integrand(x: np.ndarray) -> np.ndarray:
        log_p, log_q = p.log_prob(x).numpy(), q.log_prob(x).numpy()
        return np.exp(log_p) * np.where(np.isneginf(log_p), 0.0, log_p - log_q)

    return integral(integrand, edges)


MEANS = np.array([0.1, -0.7, 0.5]), np.array([-1.0, 0.2, 0.9])


def _covariances(seed: int) -> dict[str, tuple[dict[str, np.ndarray], np.ndarray]]:
    """Structure -> (how it is given, the matrix)."""
    rng = np.random.default_rng(seed)
    a, v, w = rng.normal(size=(3, 3)), rng.uniform(0.4, 2, 3), rng.normal(size=(3, 1))
    full = a @ a.T + np.eye(3)
    return {
        "full": ({"covariance": full}, full),
        "diagonal": ({"variance": v}, np.diag(v)),
        "low rank": ({"variance": v, "factor": w}, np.diag(v) + w @ w.T),
    }


def _gaussian_formula(m1: np.ndarray, s1: np.ndarray, m2: np.ndarray, s2: np.ndarray) -> float:
    inverse, d = np.linalg.inv(s2), m2 - m1
    logs = np.linalg.slogdet(s2)[1] - np.linalg.slogdet(s1)[1]
    return 0.5 * (np.trace(inverse @ s1) + d @ inverse @ d - len(m1) + logs)


@check(
    1,
    "divergence",
    "KL of two Gaussians",
    formula=r"\mathrm{KL}=\frac{1}{2}\left[\mathrm{tr}\,S_2^{-1}S_1+\delta^TS_2^{-1}\delta-D+"
    r"\log\frac{|S_2|}{|S_1|}\right]",
    statement="For covariances of every structure, full, diagonal and low rank, and for products of normal laws.",
    source="Kullback 1959, chapter 9; Kingma and Welling 2014, appendix B",
)
def kl_gaussians() -> Iterator[Measurement]:
    (m1, m2), firsts, seconds = MEANS, _covariances(3), _covariances(4)
    for first, (given1, s1) in firsts.items():
        for second, (given2, s2) in seconds.items():
            p, q = MultivariateNormal(m1, **given1), MultivariateNormal(m2, **given2)
            yield equal(f"{first} from {second}, D = 3", kl_divergence(p, q), _gaussian_formula(m1, s1, m2, s2))
    (given1, s1), (given2, s2) = firsts["diagonal"], seconds["full"]
    product, joint = Independent(Normal(m1, np.sqrt(given1["variance"]))), MultivariateNormal(m2, **given2)
    yield equal("product from full", kl_divergence(product, joint), _gaussian_formula(m1, s1, m2, s2))
    yield equal("full from product", kl_divergence(joint, product), _gaussian_formula(m2, s2, m1, s1))
    standard = Independent(Normal(np.zeros(3), 1.0))
    exact = 0.5 * (m1**2 + np.diag(s1) - 1 - np.log(np.diag(s1))).sum()
    yield equal("product from the standard normal", kl_divergence(product, standard), exact)


@check(
    1,
    "divergence",
    "KL of two Laplace laws",
    formula=r"\mathrm{KL}=\log\frac{b_2}{b_1}+\frac{|\delta|}{b_2}+\frac{b_1}{b_2}e^{-|\delta|/b_1}-1",
    statement="A batch of scales and distances, to either side.",
    source="Gil, Alajaji and Linder 2013, at order 1",
)
def kl_laplaces() -> Iterator[Measurement]:
    b1, b2, d = np.array([0.7, 2.1, 1.0, 0.3]), np.array([1.0, 1.3, 1.0, 4.0]), np.array([0.9, -0.9, 0.0, 3.0])
    value = kl_divergence(Laplace(0.4 + 0 * d, b1), Laplace(0.4 + d, b2))
    yield equal("four pairs", value, np.log(b2 / b1) + abs(d) / b2 + b1 / b2 * np.exp(-abs(d) / b1) - 1)


@check(
    1,
    "divergence",
    "KL of every pair with a closed form",
    formula=r"\mathrm{KL}(p\,\|\,q)=\int p(x)\log\frac{p(x)}{q(x)}\,dx",
    statement="Each closed form in the table of kl_divergence is the integral, or the sum, that it stands for; it is "
    "infinite where p has mass that q has not. No pair of the table is left out.",
    source="Gil, Alajaji and Linder 2013, at order 1; quadrature and enumeration",
)
def kl_pairs() -> Iterator[Measurement]:
    in_kl_gaussians: tuple[type, ...] = (MultivariateNormal, Independent)
    seen = {(a, b) for a in in_kl_gaussians for b in in_kl_gaussians}
    for a, b in table.rules:
        if a not in ON_THE_LINE or b not in ON_THE_LINE:
            continue
        p, q = ON_THE_LINE[a][0], ON_THE_LINE[b][1]
        value, exact = kl_divergence(p, q).item(), _by_integral(p, q, EDGES.get(a, LINE))
        name = f"{p.name} from {q.name}"
        if np.isinf(exact):
            yield equal(f"{name} is infinite", float(value == np.inf), 1.0)
        else:
            yield equal(name, value, exact)
        seen.add((a, b))
    for first, second in _discrete():
        log_p, log_q = (law.log_prob(_values(law)).numpy() for law in (first, second))
        exact = (np.exp(log_p) * (log_p - log_q)).sum()
        yield equal(f"{first.name} from {second.name}", kl_divergence(first, second), exact)
        seen.add((type(first), type(second)))
    exp = Exp()
    image, other = (Transformed(law, exp) for law in ON_THE_LINE[Normal])
    by_integral = _by_integral(image, other, [0.0, 0.3, 1.0, 5.0, 60.0, 5000.0])
    yield equal("log-normal from log-normal", kl_divergence(image, other), by_integral)
    seen.add((Transformed, Transformed))
    yield equal("pairs of the table that were left out", len(set(table.rules) - seen), 0)


def _discrete() -> Iterator[tuple[Distribution, Distribution]]:
    yield Bernoulli(np.array(0.3)), Bernoulli(np.array(0.8))
    yield Categorical(np.array([0.2, 0.1, 0.4, 0.3])), Categorical(np.array([0.1, 0.4, 0.3, 0.2]))
    grids = (DiscretisedLogistic(np.array(m), np.array(s), bins=16) for m, s in ((0.1, 0.2), (-0.3, 0.4)))
    yield next(grids), next(grids)


def _values(law: Distribution) -> np.ndarray:
    """All values that a discrete law can take."""
    match law:
        case Categorical():
            return np.arange(law.categories)
        case DiscretisedLogistic():
            return np.linspace(law.low, law.high, law.bins)
    return np.array([0.0, 1.0])
