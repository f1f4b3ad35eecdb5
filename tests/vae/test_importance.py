"""The k-sample bound on the linear model (CHECKS 5)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_gaussian import random_model

import tinygen as tg
from tinygen.distributions import Independent, Normal
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.elbo import log_weights
from tinygen.vae.importance import (
    effective_sample_size,
    estimate_bound,
    k_sample_bound,
    normalised_weights,
)

LOG_W = st.lists(st.floats(-40, 40), min_size=2, max_size=8)


def wide_posterior(model, x) -> Independent:
    """A proposal that is off: a shifted mean and twice the width."""
    best = model.diagonal_posterior(x)
    return Independent(Normal(best.mean + 0.2, 2.0 * best.stddev))


def check_monotone(bound, log_w: np.ndarray) -> None:
    """The mean of the bound over all samples but one is not above the bound of all: L_k <= L_{k+1} draw by draw."""
    left_out = [bound(Tensor(np.delete(log_w, i)[:, None])).item() for i in range(len(log_w))]
    assert np.mean(left_out) <= bound(Tensor(log_w[:, None])).item() + 1e-9


@given(LOG_W)
def test_one_more_sample_never_lowers_the_bound(log_w):
    check_monotone(k_sample_bound, np.array(log_w))


@given(LOG_W, st.floats(-500, 500))
def test_it_is_the_log_of_the_mean_weight_at_any_magnitude(log_w, shift):
    found = k_sample_bound(Tensor(np.array(log_w)[:, None] + shift)).item()
    assert found == pytest.approx(math.log(np.exp(log_w).mean()) + shift, rel=1e-9, abs=1e-9)


def test_it_tends_to_log_p_from_below():
    model, x = random_model()
    q, prior, truth = wide_posterior(model, x), model.prior(len(x)), model.log_prob(x)
    means = []
    for k in (1, 5, 50):
        draws = [estimate_bound(model.log_likelihood(x), q, prior, k, Generator(i)).mean() for i in range(100)]
        means.append(np.mean(draws))
    assert means[0] + 0.1 < means[1] < means[2] < truth.mean()
    many = estimate_bound(model.log_likelihood(x), q, prior, 20_000, Generator(0), at_once=5000)
    np.testing.assert_allclose(many, truth, atol=0.05)


def test_with_the_posterior_it_has_no_variance_and_every_sample_counts():
    model, x = random_model(1)
    q = model.posterior(x)
    for k in (1, 7):
        found = estimate_bound(model.log_likelihood(x), q, model.prior(len(x)), k, Generator(k))
        np.testing.assert_allclose(found, model.log_prob(x), rtol=1e-9)
    log_w = log_weights(model.log_likelihood(x), q.sample(Generator(0), (9,)), q, model.prior(len(x)))
    np.testing.assert_allclose(np.asarray(effective_sample_size(log_w)), 9.0, rtol=1e-9)


def check_gradient(loss) -> None:
    """The gradient of `loss(log_w)` in W is minus the sum of normalised weights times grad log w, and sees them all."""
    model, x = random_model(2)
    x, W = x[:1], tg.tensor(model.W, requires_grad=True)
    q, prior = wide_posterior(model, x), model.prior(1)
    z = q.sample(Generator(0), (6,))

    def log_w(i) -> Tensor:
        mean = z[i] @ W.T + Tensor(model.mean)
        return log_weights(lambda _: Independent(Normal(mean, model.s)).log_prob(x), z[i], q, prior)

    each = np.stack([np.asarray(tg.grad(log_w(slice(i, i + 1)).sum(), W)[0]) for i in range(6)])
    logs = np.asarray(log_w(slice(None)))[:, 0]
    weights = np.exp(logs - np.logaddexp.reduce(logs))
    found = np.asarray(tg.grad(loss(log_w(slice(None))).sum(), W)[0])
    np.testing.assert_allclose(found, -np.einsum("i,iab->ab", weights, each), rtol=1e-9, atol=1e-9)


def test_its_gradient_is_that_of_the_normalised_weights():
    check_gradient(lambda log_w: -k_sample_bound(log_w))
    check_gradient(lambda log_w: -(normalised_weights(log_w).detach() * log_w).sum(axis=0))


MISTAKES = {
    "softmax over +loss": lambda log_w: (tg.softmax(-log_w, 0).detach() * -log_w).sum(axis=0),
    "the mean outside the log": lambda log_w: -log_w.mean(axis=0),
    "wrong sign": lambda log_w: k_sample_bound(log_w),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_weighting_is_found(mistake):
    with pytest.raises(AssertionError):
        check_gradient(MISTAKES[mistake])


def test_a_bound_of_the_wrong_sign_is_found():
    with pytest.raises(AssertionError):
        check_monotone(lambda log_w: -k_sample_bound(-log_w), np.array([0.0, 1.0, 3.0]))


def test_samples_may_be_taken_in_parts():
    model, x = random_model(3)
    q, prior = wide_posterior(model, x), model.prior(len(x))
    whole, parts = (estimate_bound(model.log_likelihood(x), q, prior, 50, Generator(0), at_once=n) for n in (50, 7))
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    with pytest.raises(ValueError, match="k of at least 1, not 0"):
        estimate_bound(model.log_likelihood(x), q, prior, 0, Generator(0))
