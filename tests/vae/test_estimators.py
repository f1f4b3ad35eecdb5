"""Gradient estimators: means and variances in closed form (CHECKS 6, 7), by exact quadrature and enumeration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_gaussian import gauss_hermite

import tinygen as tg
from tinygen.distributions import Bernoulli, Normal
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.estimators import best_constant_baseline, enumerated_expectation, reinforce, straight_through

E, WEIGHT = gauss_hermite(1, nodes=8)
E = E[:, 0]

LAWS = {"mu": st.floats(-2, 2), "s": st.floats(0.3, 2), "c": st.floats(-2, 2)}


class Nodes(Generator):
    """A generator whose normals are the nodes of the quadrature."""

    def __init__(self) -> None:
        super().__init__(0)

    def normal(self, shape, dtype=np.float64, device=None):
        return Tensor(E.copy())


def gradients(mu: float, s: float, surrogate) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of one draw in mu and in s, at every node, where `surrogate(law)` gives a value a draw."""
    loc, scale = (tg.tensor(np.full(len(E), v), requires_grad=True) for v in (mu, s))
    found = tg.grad(surrogate(Normal(loc, scale)).sum(), (loc, scale))
    return np.asarray(found[0]), np.asarray(found[1])


def mean_and_variance(gradient: np.ndarray) -> tuple[float, float]:
    mean = WEIGHT @ gradient
    return mean, WEIGHT @ gradient**2 - mean**2


def by_reparameterisation(c: float):
    return lambda law: (law.rsample(Nodes()) - c) ** 2


def by_reinforce(c: float, baseline: float = 0.0):
    def surrogate(law: Normal) -> Tensor:
        z = law.sample(Nodes())
        return reinforce((z - c) ** 2, law.log_prob(z), baseline)

    return surrogate


@given(**LAWS)
def test_both_are_unbiased_with_the_known_variances(mu, s, c):
    delta = mu - c
    reparameterised, score = gradients(mu, s, by_reparameterisation(c)), gradients(mu, s, by_reinforce(c))
    for found in (reparameterised, score):
        assert WEIGHT @ found[0] == pytest.approx(2 * delta, abs=1e-8)
        assert WEIGHT @ found[1] == pytest.approx(2 * s, rel=1e-8)
    assert mean_and_variance(reparameterised[0])[1] == pytest.approx(4 * s**2, rel=1e-7)
    expected = delta**4 / s**2 + 14 * delta**2 + 15 * s**2
    assert mean_and_variance(score[0])[1] == pytest.approx(expected, rel=1e-7)


@given(**LAWS)
def test_the_best_constant_baseline_is_known_and_least(mu, s, c):
    delta = mu - c
    z = mu + s * E
    best = best_constant_baseline((z - c) ** 2, (z - mu) / s**2, WEIGHT)
    assert best == pytest.approx(delta**2 + 3 * s**2, rel=1e-8)
    mean, least = mean_and_variance(gradients(mu, s, by_reinforce(c, best))[0])
    assert mean == pytest.approx(2 * delta, abs=1e-7)
    for other in (0.0, 0.9 * best, 1.1 * best):
        assert mean_and_variance(gradients(mu, s, by_reinforce(c, other))[0])[1] > least


def test_the_surrogate_has_the_value_of_the_cost_and_passes_its_own_gradient():
    w = tg.tensor(np.array(3.0), requires_grad=True)
    law = Normal(tg.tensor(np.zeros(5), requires_grad=True), 1.0)
    z = law.sample(Generator(0))
    surrogate = reinforce(w * z**2, law.log_prob(z), 7.0)
    np.testing.assert_array_equal(np.asarray(surrogate), np.asarray(3.0 * z**2))
    np.testing.assert_allclose(np.asarray(tg.grad(surrogate.sum(), w)[0]), (np.asarray(z) ** 2).sum())


def test_the_baseline_from_draws_tends_to_the_known_one():
    z = np.asarray(Generator(0).normal((200_000,), "float64"))
    assert best_constant_baseline((z - 1.0) ** 2, z) == pytest.approx(1.0 + 3.0, rel=0.03)


@given(theta=st.lists(st.floats(0.05, 0.95), min_size=1, max_size=5), t=st.floats(-1, 2))
def test_enumeration_gives_the_exact_gradient(theta, t):
    probs = tg.tensor(np.array(theta), requires_grad=True)
    expected = enumerated_expectation(lambda b: ((b - t) ** 2).sum(axis=1), Bernoulli(probs))
    assert expected.item() == pytest.approx(sum(p * (1 - t) ** 2 + (1 - p) * t**2 for p in theta), rel=1e-9)
    np.testing.assert_allclose(np.asarray(tg.grad(expected, probs)[0]), 1 - 2 * t, atol=1e-9)


@given(logit=st.floats(-2, 2), t=st.floats(-1, 2))
def test_reinforce_is_unbiased_for_a_bernoulli_and_straight_through_is_off_by_the_known_bias(logit, t):
    theta = 1 / (1 + np.exp(-logit))
    exact = theta * (1 - theta) * (1 - 2 * t)  # in the logit
    logits = tg.tensor(np.full(2, logit), requires_grad=True)
    law, b = Bernoulli(logits=logits), Tensor(np.array([1.0, 0.0]))
    chance = np.array([theta, 1 - theta])
    score = np.asarray(tg.grad(reinforce((b - t) ** 2, law.log_prob(b)).sum(), logits)[0])
    assert chance @ score == pytest.approx(exact, abs=1e-9)

    law = Bernoulli(logits=logits)
    drawn = b + law.probs - law.probs.detach()  # what straight_through gives at either draw
    biased = np.asarray(tg.grad(((drawn - t) ** 2).sum(), logits)[0])
    assert chance @ biased - exact == pytest.approx(theta * (1 - theta) * (2 * theta - 1), abs=1e-9)


def test_a_straight_through_draw_is_zeros_and_ones_with_the_gradient_of_the_probability():
    logits = tg.tensor(np.linspace(-2, 2, 50), requires_grad=True)
    law = Bernoulli(logits=logits)
    draw = straight_through(law, Generator(0))
    np.testing.assert_allclose(np.asarray(draw), np.asarray(law.sample(Generator(0))), atol=1e-15)
    p = np.asarray(law.probs)
    np.testing.assert_allclose(np.asarray(tg.grad(draw.sum(), logits)[0]), p * (1 - p), rtol=1e-9)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        reinforce(Tensor(np.ones(3)), Tensor(np.ones((3, 1))))
    with pytest.raises(ValueError, match="all 0"):
        best_constant_baseline(np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match="up to 16"):
        enumerated_expectation(lambda b: b.sum(axis=1), Bernoulli(np.full(17, 0.5)))
