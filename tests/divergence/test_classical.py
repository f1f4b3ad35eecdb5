"""Jensen-Shannon and total variation: bounds, symmetry, and the integrals they stand for."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given
from hypothesis import strategies as st

from tinygen import distributions as td
from tinygen.divergence import jensen_shannon, total_variation, transport, wasserstein_1d
from tinygen.testing import gradcheck

LAWS = {
    "Normal": [td.Normal(np.array(m), np.array(s)) for m, s in ((0.3, 0.8), (0.3, 2.0), (-0.5, 0.8), (-1.2, 0.2))],
    "Laplace": [td.Laplace(np.array(m), np.array(s)) for m, s in ((0.3, 0.8), (0.3, 2.0), (-0.5, 0.8), (-1.2, 0.2))],
    "Uniform": [td.Uniform(np.array(m), np.array(s)) for m, s in ((0.0, 1.0), (0.5, 2.0), (-0.5, 0.2), (3.0, 4.0))],
    "Exponential": [td.Exponential(np.array(r)) for r in (0.5, 1.0, 3.0)],
}
PAIRS = [(name, i, j) for name, laws in LAWS.items() for i in range(len(laws)) for j in range(i)]
every_pair = pytest.mark.parametrize(("name", "i", "j"), PAIRS)


def probabilities(seed, k=4):
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.5))


def integral(p, q, of):
    density = lambda law, x: math.exp(law.log_prob(np.array(x)).item())
    edges = [-40, -4, -1.5, -1, -0.5, -0.2, 0, 0.2, 0.3, 0.5, 1, 1.5, 2, 3, 4, 8, 80]
    f = lambda x: of(density(p, x), density(q, x))
    return sum(scipy.integrate.quad(f, a, b, limit=300, epsabs=1e-9)[0] for a, b in itertools.pairwise(edges))


@every_pair
def test_total_variation_is_half_the_l1_distance(name, i, j):
    p, q = LAWS[name][i], LAWS[name][j]
    value = total_variation(p, q).item()
    assert value == pytest.approx(integral(p, q, lambda a, b: 0.5 * abs(a - b)), abs=2e-7)
    assert total_variation(q, p).item() == pytest.approx(value, rel=1e-12)
    assert total_variation(p, p).item() == pytest.approx(0, abs=1e-15)


def test_total_variation_of_shifted_laws_by_formula():
    d, s = 0.7, 1.3
    normal = total_variation(td.Normal(np.array(d), s), td.Normal(np.array(0.0), s)).item()
    assert normal == pytest.approx(math.erf(d / (2 * s * math.sqrt(2))), rel=1e-13)
    laplace = total_variation(td.Laplace(np.array(d), s), td.Laplace(np.array(0.0), s)).item()
    assert laplace == pytest.approx(1 - math.exp(-d / (2 * s)), rel=1e-13)


@pytest.mark.parametrize("family", [td.Normal, td.Laplace], ids=lambda f: f.__name__)
def test_gradients_of_total_variation(family):
    parameters = [np.array(v) for v in (0.3, 0.8, -0.5, 1.1)]
    assert gradcheck(lambda a, b, c, d: total_variation(family(a, b), family(c, d)), *parameters)
    assert gradcheck(lambda a, b: total_variation(td.Exponential(a), td.Exponential(b)), *parameters[:2])


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_on_a_finite_set(first, second):
    a, b = probabilities(first), probabilities(second)
    p, q = td.Categorical(a), td.Categorical(b)
    tv, js = total_variation(p, q).item(), jensen_shannon(p, q).item()
    events = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)  # all 16
    assert tv == pytest.approx((events.T @ (a - b)).max(), abs=1e-15)
    assert tv == pytest.approx(0.5 * np.abs(a - b).sum(), abs=1e-15)
    assert -1e-15 <= js <= math.log(2) + 1e-15
    assert js == pytest.approx(jensen_shannon(q, p).item(), abs=1e-15)
    assert tv**2 / 2 <= js + 1e-15  # Pinsker, for each half
    assert js <= tv * math.log(2) + 1e-15  # Lin 1991, theorem 3


def test_two_values_are_a_bernoulli():
    a, b = np.array([0.3, 0.7]), np.array([0.9, 0.1])
    for measure in (jensen_shannon, total_variation):
        two = measure(td.Bernoulli(a[1]), td.Bernoulli(b[1])).item()
        assert two == pytest.approx(measure(td.Categorical(a), td.Categorical(b)).item(), rel=1e-13)
    logits = np.array([0.1, -0.4, 1.0])
    make = lambda x, y: jensen_shannon(td.Categorical(logits=x), td.Categorical(logits=y))
    assert gradcheck(make, logits, logits[::-1].copy(), order=2)


def test_jensen_shannon_of_uniform_laws():
    for i in range(4):
        for j in range(4):
            p, q = LAWS["Uniform"][i], LAWS["Uniform"][j]

            def density(a, b):
                half = lambda x: 0.5 * x * math.log(2 * x / (a + b)) if x else 0.0
                return half(a) + half(b)

            assert jensen_shannon(p, q).item() == pytest.approx(integral(p, q, density), abs=1e-8)


@pytest.mark.parametrize("t", [0.3, -1.7, 0.0])
def test_parallel_lines(t):
    """(0, U) and (t, U): TV = 1, KL = inf, JS = log 2, W1 = |t| (Arjovsky et al. 2017, example 1); all 0 at t = 0."""
    heights = (np.arange(12) + 0.5) / 12
    first, second = (np.stack([np.full(12, c), heights], 1) for c in (0.0, t))
    support = np.unique(np.concatenate([first, second]), axis=0)
    on_support = lambda points: np.array([(points == s).all(1).mean() for s in support])
    p, q = td.Categorical(on_support(first)), td.Categorical(on_support(second))
    apart = t != 0
    assert total_variation(p, q).item() == pytest.approx(float(apart), abs=1e-15)
    assert jensen_shannon(p, q).item() == pytest.approx(apart * math.log(2), abs=1e-15)
    assert td.kl_divergence(p, q).item() == (math.inf if apart else 0)
    cost = np.linalg.norm(first[:, None] - second[None], axis=-1)
    assert transport(cost).cost.item() == pytest.approx(abs(t), abs=1e-15)
    assert wasserstein_1d(first[:, 0], second[:, 0]).item() == pytest.approx(abs(t), abs=1e-15)


def test_pairs_without_a_closed_form_are_refused_by_name():
    p, q = td.Normal(0.0, 1.0), td.Laplace(0.0, 1.0)
    with pytest.raises(td.NoClosedForm, match="the Jensen-Shannon divergence of Normal and Normal has no closed form"):
        jensen_shannon(p, p)
    with pytest.raises(td.NoClosedForm, match="the total variation of Normal and Laplace has no closed form here"):
        total_variation(p, q)
