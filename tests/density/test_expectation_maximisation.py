"""EM: the likelihood never falls, one component is the sample's mean and covariance, fixed points are stationary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import truth
from tinygen.density import em_step, fit_gaussian_mixture
from tinygen.random import Generator

_rng = np.random.default_rng(0)
CLOUD = _rng.normal(size=(80, 3)) @ _rng.normal(size=(3, 3)) + 1.0


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3))
def test_no_step_lowers_the_likelihood(seed, components, size):
    """From any start, also under the constraint on the variances, and with points that repeat."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(30, size)) * 2, 1 if seed % 2 else 12)
    found = fit_gaussian_mixture(x, components, Generator(seed), steps=15, least_variance=0.05, tolerance=-1.0)
    gains = np.diff(found.log_likelihood)
    assert len(gains) == 15
    assert gains.min() > -1e-10
    assert np.linalg.eigvalsh(found.mixture.covariances.numpy()).min() > 0.05 * (1 - 1e-9)


def test_one_component_is_the_mean_and_the_covariance_of_the_sample():
    law = fit_gaussian_mixture(CLOUD, 1, Generator(0)).mixture
    np.testing.assert_allclose(law.means.numpy()[0], CLOUD.mean(0), rtol=1e-12)
    np.testing.assert_allclose(law.covariances.numpy()[0], np.cov(CLOUD.T, bias=True), rtol=1e-10)


def test_where_em_stops_the_gradient_of_the_likelihood_is_0():
    """sum_n r_nk S_k^-1 (x_n - mu_k) = 0, and moving any mean or weight lowers the likelihood."""
    found = fit_gaussian_mixture(CLOUD, 2, Generator(1), steps=3000, tolerance=1e-13)
    assert found.converged
    law = found.mixture
    share = law.posterior(CLOUD).probs.numpy()
    for k in range(2):
        pull = share[:, k] @ (CLOUD - law.means.numpy()[k]) / len(CLOUD)
        np.testing.assert_allclose(pull, 0, atol=1e-5)
    best = found.log_likelihood[-1]
    for _ in range(5):
        moved = truth.GaussianMixture(law.means + 0.05 * _rng.normal(size=(2, 3)), law.covariances, law.weights)
        assert moved.log_prob(CLOUD).numpy().mean() < best


def test_the_mixture_that_made_the_points_is_found():
    """Four components apart, 4,000 points: likelihood above that of the truth, weights within 5 standard errors."""
    law = truth.GaussianMixture([[0, 0], [6, 0], [0, 6], [6, 6]], [[0.5, 0.2], [0.2, 1.0]], [0.1, 0.2, 0.3, 0.4])
    x = law.sample(4000, Generator(2)).numpy()
    found = fit_gaussian_mixture(x, 4, Generator(1))
    assert found.converged
    assert found.log_likelihood[-1] > law.log_prob(x).numpy().mean()
    order = np.argsort(found.mixture.weights.numpy())
    error = 5 * np.sqrt(0.25 / 4000)
    np.testing.assert_allclose(found.mixture.weights.numpy()[order], [0.1, 0.2, 0.3, 0.4], atol=error)
    np.testing.assert_allclose(found.mixture.means.numpy()[order], law.means.numpy(), atol=5 / np.sqrt(400))


def test_a_component_without_points_stays_with_weight_0():
    far = truth.GaussianMixture([[0.0, 0.0], [1e6, 0.0]], 1.0, [0.5, 0.5])
    after = em_step(far, _rng.normal(size=(10, 2)), 1e-3)
    np.testing.assert_array_equal(after.weights.numpy(), [1, 0])
    np.testing.assert_array_equal(after.means.numpy()[1], [1e6, 0])


@pytest.mark.parametrize(
    ("x", "components", "least", "message"),
    [
        (CLOUD[0], 1, None, r"finite points \(N, D\) are needed"),
        (CLOUD * np.nan, 1, None, r"finite points \(N, D\) are needed"),
        (np.ones((5, 2)), 2, None, "from 1 to 1, the number of different points"),
        (CLOUD, 0, None, "components must be from 1 to 80"),
        (CLOUD, 1, 0.0, "least_variance must be above 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(x, components, least, message):
    with pytest.raises(ValueError, match=message):
        fit_gaussian_mixture(x, components, Generator(0), least_variance=least)
