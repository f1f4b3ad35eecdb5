"""f-divergences: generators, conjugates, and the bound that is tight at T = f'(p/q) (CHECKS 24 and 25)."""

import math

import numpy as np
import pytest
import scipy.optimize

import tinygen as tg
from tinygen import distributions as td
from tinygen.divergence import (
    F_DIVERGENCES,
    GAN,
    JENSEN_SHANNON,
    KL,
    NEYMAN,
    PEARSON,
    REVERSE_KL,
    SQUARED_HELLINGER,
    f_divergence,
    jensen_shannon,
    variational_bound,
)
from tinygen.testing import gradcheck

P, Q = np.array([0.1, 0.35, 0.25, 0.3]), np.array([0.4, 0.05, 0.15, 0.4])
every_kind = pytest.mark.parametrize("kind", F_DIVERGENCES, ids=lambda kind: kind.name)


def test_each_is_the_divergence_of_its_name():
    m = (P + Q) / 2
    js = 0.5 * (P * np.log(P / m)).sum() + 0.5 * (Q * np.log(Q / m)).sum()
    expected = {
        KL: (P * np.log(P / Q)).sum(),
        REVERSE_KL: (Q * np.log(Q / P)).sum(),
        PEARSON: ((P - Q) ** 2 / Q).sum(),
        NEYMAN: ((P - Q) ** 2 / P).sum(),
        SQUARED_HELLINGER: ((np.sqrt(P) - np.sqrt(Q)) ** 2).sum(),
        JENSEN_SHANNON: js,
        GAN: 2 * js - math.log(4),
    }
    assert set(expected) == set(F_DIVERGENCES)
    for kind, value in expected.items():
        assert f_divergence(P, Q, kind).item() == pytest.approx(value, rel=1e-13), kind.name
    laws = td.Categorical(P), td.Categorical(Q)
    assert jensen_shannon(*laws).item() == pytest.approx(js, rel=1e-14)
    assert td.kl_divergence(*laws).item() == pytest.approx(expected[KL], rel=1e-14)


def test_the_usual_js_generator_gives_twice_js():
    u = P / Q
    usual = (Q * (u * np.log(u) - (u + 1) * np.log((u + 1) / 2))).sum()
    assert usual == pytest.approx(2 * f_divergence(P, Q, JENSEN_SHANNON).item(), rel=1e-13)


@every_kind
@pytest.mark.parametrize("ratio", [0.05, 0.4, 1.0, 3.0, 20.0])
def test_the_conjugate_is_the_supremum_found_numerically(kind, ratio):
    t = kind.derivative(tg.tensor(np.array(ratio))).item()
    objective = lambda log_u: kind.f(tg.tensor(np.array(math.exp(log_u)))).item() - t * math.exp(log_u)
    found = scipy.optimize.minimize_scalar(objective, bounds=(-9, 9), method="bounded", options={"xatol": 1e-9})
    assert kind.conjugate(tg.tensor(np.array(t))).item() == pytest.approx(-found.fun, rel=1e-9, abs=1e-9)
    assert math.exp(found.x) == pytest.approx(ratio, rel=1e-3)


def test_pearsons_conjugate_stays_at_its_value_at_zero_below_minus_2():
    t = np.array([-2.0, -2.5, -10.0])
    np.testing.assert_array_equal(PEARSON.conjugate(tg.tensor(t)).numpy(), [-1, -1, -1])


@every_kind
def test_the_derivative_is_the_derivative_and_upper_its_limit(kind):
    u = tg.tensor(np.array([0.03, 0.7, 1.0, 9.0]), requires_grad=True)
    (slope,) = tg.grad(kind.f(u).sum(), [u])
    np.testing.assert_allclose(kind.derivative(u).detach().numpy(), slope.numpy(), rtol=1e-10, atol=1e-14)
    far = kind.derivative(tg.tensor(np.array(1e12))).item()
    assert far == pytest.approx(kind.upper, abs=1e-5) if math.isfinite(kind.upper) else far > 20
    tiny = kind.f(tg.tensor(np.array(1e-12))).item()
    assert tiny == pytest.approx(kind.at_zero, abs=1e-5) if math.isfinite(kind.at_zero) else tiny > 20


@every_kind
def test_the_bound_is_tight_at_the_derivative_and_a_bound_elsewhere(kind):
    critic = kind.derivative(tg.tensor(P / Q))
    exact = f_divergence(P, Q, kind).item()
    bound = lambda t: (P * t.numpy()).sum() - (Q * kind.conjugate(t).numpy()).sum()
    assert bound(critic) == pytest.approx(exact, rel=1e-12, abs=1e-14)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert bound(kind.activation(tg.tensor(rng.normal(size=4)))) < exact


@every_kind
def test_the_bound_is_stationary_at_the_derivative(kind):
    t = tg.tensor(kind.derivative(tg.tensor(P / Q)).numpy(), requires_grad=True)
    value = (P * t).sum() - (Q * kind.conjugate(t)).sum()
    (gradient,) = tg.grad(value, [t])
    np.testing.assert_allclose(gradient.numpy(), 0, atol=1e-14)


@every_kind
def test_the_bound_from_samples(kind):
    """Draws counted as P and Q give the bound of the counted laws; a critic's values are any shape."""
    n = np.array([[0, 1, 1, 2], [3, 2, 1, 2]])
    m = np.array([0, 0, 1, 2, 3])
    p, q = (np.bincount(v.ravel(), minlength=4) / v.size for v in (n, m))
    critic = kind.derivative(tg.tensor(p / q))
    assert variational_bound(critic[n], critic[m], kind).item() == pytest.approx(f_divergence(p, q, kind).item())


@every_kind
def test_activations_reach_the_derivatives_range_and_no_more(kind):
    v = tg.tensor(np.linspace(-30, 30, 61))
    t = kind.activation(v).numpy()
    assert (t <= kind.upper).all()
    assert np.isfinite(kind.conjugate(tg.tensor(t[:50])).numpy()).all()
    assert (np.diff(t)[:50] > 0).all()


@every_kind
def test_gradients(kind):
    assert gradcheck(lambda p, q: f_divergence(p, q, kind), P, Q, order=2)


def test_mass_that_only_one_side_has():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.25, 0.75])
    values = {kind.name: f_divergence(p, q, kind).item() for kind in F_DIVERGENCES}
    for name in ("KL", "reverse KL", "Pearson", "Neyman"):
        assert values[name] == math.inf
    hellinger = 0.5 + (math.sqrt(0.5) - 0.5) ** 2 + 0.75
    assert values["squared Hellinger"] == pytest.approx(hellinger, rel=1e-14)
    js = jensen_shannon(td.Categorical(p), td.Categorical(q)).item()
    assert values["Jensen-Shannon"] == pytest.approx(js, rel=1e-14)
    assert values["GAN"] == pytest.approx(2 * js - math.log(4), rel=1e-13)


def test_least_squares_gan_minimises_pearsons_chi_squared():
    """(a, b, c) = (-1, 1, 0) (CHECKS 24): at D* = (b p + a q)/(p + q), 2 C(G) = the sum of (p - q)^2/(p + q).

    Mao et al. 2017 write it chi^2(p + q || 2q) with the first measure in the denominator.
    """
    a, b, c = -1, 1, 0
    best = (b * P + a * Q) / (P + Q)
    half = lambda d: 0.5 * (P * (d - b) ** 2 + Q * (d - a) ** 2).sum()
    found = scipy.optimize.minimize(half, np.zeros(4), tol=1e-14).x
    np.testing.assert_allclose(found, best, atol=1e-6)
    twice = (P * (best - c) ** 2 + Q * (best - c) ** 2).sum()
    assert twice == pytest.approx(f_divergence(2 * Q, P + Q, PEARSON).item(), rel=1e-13)
    assert twice == pytest.approx(f_divergence(P + Q, 2 * Q, NEYMAN).item(), rel=1e-13)


def test_bad_values_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"f_divergence: q must be 0 or above, found -0.1"):
        f_divergence([0.5, 0.5], [-0.1, 1.1], KL)
    with pytest.raises(ValueError, match="variational_bound: t_q must be below 1 for Neyman, found 1"):
        variational_bound(tg.zeros(2), tg.ones(2), NEYMAN)
