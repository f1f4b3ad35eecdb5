"""Gradient estimators: what they return, from draws; their means and variances are in the checks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.distributions import Bernoulli, Normal
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.estimators import best_constant_baseline, enumerated_expectation, reinforce


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


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        reinforce(Tensor(np.ones(3)), Tensor(np.ones((3, 1))))
    with pytest.raises(ValueError, match="all 0"):
        best_constant_baseline(np.ones(3), np.zeros(3))
    with pytest.raises(ValueError, match="up to 16"):
        enumerated_expectation(lambda b: b.sum(axis=1), Bernoulli(np.full(17, 0.5)))
