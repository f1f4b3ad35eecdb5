"""The k-sample bound for any weights, and as it is estimated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_gaussian import diagonal_posterior, log_likelihood, prior, random_model

from tinygen.distributions import Independent, Normal
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.importance import estimate_bound, k_sample_bound

LOG_W = st.lists(st.floats(-40, 40), min_size=2, max_size=8)


def wide_posterior(law, x) -> Independent:
    """A proposal that is off: a shifted mean and twice the width."""
    best = diagonal_posterior(law, x)
    return Independent(Normal(best.mean + 0.2, 2.0 * best.stddev))


@given(LOG_W)
def test_one_more_sample_never_lowers_the_bound(log_w):
    """The mean of the bound over all samples but one is not above the bound of all: L_k <= L_{k+1} draw by draw."""
    log_w = np.array(log_w)
    left_out = [k_sample_bound(Tensor(np.delete(log_w, i)[:, None])).item() for i in range(len(log_w))]
    assert np.mean(left_out) <= k_sample_bound(Tensor(log_w[:, None])).item() + 1e-9


@given(LOG_W, st.floats(-500, 500))
def test_it_is_the_log_of_the_mean_weight_at_any_magnitude(log_w, shift):
    found = k_sample_bound(Tensor(np.array(log_w)[:, None] + shift)).item()
    assert found == pytest.approx(math.log(np.exp(log_w).mean()) + shift, rel=1e-9, abs=1e-9)


def test_it_tends_to_log_p_from_below():
    law, x = random_model()
    q, truth = wide_posterior(law, x), law.log_prob(x).numpy()
    means = []
    for k in (1, 5, 50):
        draws = [estimate_bound(log_likelihood(law, x), q, prior(law), k, Generator(i)).mean() for i in range(100)]
        means.append(np.mean(draws))
    assert means[0] + 0.1 < means[1] < means[2] < truth.mean()
    many = estimate_bound(log_likelihood(law, x), q, prior(law), 20_000, Generator(0), at_once=5000)
    np.testing.assert_allclose(many, truth, atol=0.05)


def test_samples_may_be_taken_in_parts():
    law, x = random_model(3)
    q, f = wide_posterior(law, x), log_likelihood(law, x)
    whole, parts = (estimate_bound(f, q, prior(law), 50, Generator(0), at_once=n) for n in (50, 7))
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    with pytest.raises(ValueError, match="k of at least 1, not 0"):
        estimate_bound(f, q, prior(law), 0, Generator(0))
