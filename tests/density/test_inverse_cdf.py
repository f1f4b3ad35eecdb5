"""The inverse of the distribution function: exact where it is known, generalised at jumps, and a sampler."""

import numpy as np
import pytest
import scipy.stats

from tinygen.density import inverse_cdf, sample_by_inverse_cdf
from tinygen.distributions import Laplace, Logistic, Mixture, Normal
from tinygen.random import Generator

U = np.linspace(0.001, 0.999, 50)


@pytest.mark.parametrize(
    ("law", "reference"),
    [(Normal, scipy.stats.norm), (Laplace, scipy.stats.laplace), (Logistic, scipy.stats.logistic)],
)
def test_known_inverses(law, reference):
    cdf = law(np.float64(0.5), np.float64(2.0)).cdf
    np.testing.assert_allclose(inverse_cdf(cdf, U, -60, 60).numpy(), reference(0.5, 2.0).ppf(U), rtol=1e-10)


def test_at_a_jump_it_is_the_least_point_that_reaches_u():
    """A die: F^-1(u) is the face k with (k - 1)/6 < u <= k/6; in the flat parts the left end."""
    die = lambda x: np.clip(np.floor(np.asarray(x)), 0, 6) / 6
    u = np.array([0.01, 1 / 6, 0.17, 0.5, 0.51, 1.0])
    np.testing.assert_allclose(inverse_cdf(die, u, 0.0, 7.0).numpy(), [1, 1, 2, 3, 4, 6], rtol=1e-15)


def test_beyond_the_interval_it_is_its_ends():
    uniform = lambda x: np.clip(np.asarray(x), 0, 1)
    np.testing.assert_array_equal(inverse_cdf(uniform, [0.1, 0.9], 0.25, 0.75).numpy(), [0.25, 0.75])


def test_draws_have_the_distribution():
    """A mixture of two Gaussians: Kolmogorov and Smirnov's statistic of 5,000 draws, p-value above 1e-6."""
    law = Mixture(np.array([0.3, 0.7]), Normal(np.array([-2.0, 1.0]), np.array([0.5, 0.8])))
    x = sample_by_inverse_cdf(law.cdf, 5000, Generator(0), -10, 10).numpy()
    assert scipy.stats.kstest(x, lambda z: law.cdf(z).numpy()).pvalue > 1e-6
    assert scipy.stats.kstest(x + 0.15, lambda z: law.cdf(z).numpy()).pvalue < 1e-6


def test_what_has_no_inverse_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        inverse_cdf(lambda x: x, [1.2], 0, 1)
    with pytest.raises(ValueError, match="low must be below high"):
        inverse_cdf(lambda x: x, [0.2], 1, 1)
    with pytest.raises(ValueError, match="does not fall"):
        inverse_cdf(lambda x: -x, [0.2], 0, 1)
