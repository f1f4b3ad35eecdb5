"""Ancestral sampling on Gaussian data: the marginals come back exactly (CHECKS 12)."""

import numpy as np
import pytest
from gaussian import GaussianData, times

from tinygen.diffusion.sampler import ancestral_sample, ancestral_steps, reverse_mean, reverse_variance
from tinygen.diffusion.schedule import cosine, linear
from tinygen.random import Generator
from tinygen.tensor import Tensor

SCHEDULE = linear(60, last=0.3)
X = Tensor(np.array([[-1.0], [0.0], [2.0]]))


@pytest.mark.parametrize("s", [1e-3, 0.5, 1.0, 3.0])
def test_one_reverse_step_carries_each_marginal_to_the_one_before(s):
    data = GaussianData(mean=0.8, s=s)
    denoise, variance = data.denoiser(SCHEDULE), data.reverse_variance(SCHEDULE)
    v, a = data.marginal_variance(SCHEDULE), SCHEDULE.alpha_bar
    for t in range(1, 61):
        y = np.asarray(reverse_mean(denoise, SCHEDULE, X, times(3, t))).ravel()
        gain = y[2] - y[1]
        assert gain / 2 == pytest.approx(y[1] - y[0], rel=1e-9)  # affine in x_t
        centre = y[1] + gain / 2 * np.sqrt(a[t]) * data.mean
        assert centre == pytest.approx(np.sqrt(a[t - 1]) * data.mean, rel=1e-9)
        assert (gain / 2) ** 2 * v[t] + variance[t] == pytest.approx(v[t - 1], rel=1e-9)


def test_the_two_choices_of_variance_are_the_truth_at_s_1_and_s_0():
    np.testing.assert_allclose(GaussianData(0, 1.0).reverse_variance(SCHEDULE), SCHEDULE.beta, rtol=1e-9)
    np.testing.assert_allclose(GaussianData(0, 0.0).reverse_variance(SCHEDULE), SCHEDULE.posterior_variance)
    np.testing.assert_array_equal(reverse_variance(SCHEDULE, "beta"), SCHEDULE.beta)
    np.testing.assert_array_equal(reverse_variance(SCHEDULE, "posterior"), SCHEDULE.posterior_variance)


@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_a_point_is_recovered_exactly_because_the_last_step_adds_no_noise(variance):
    data = GaussianData(mean=-0.4, s=0.0)
    x = ancestral_sample(data.denoiser(SCHEDULE), SCHEDULE, (7, 1), Generator(0), variance, dtype="float64")
    np.testing.assert_allclose(np.asarray(x), -0.4, rtol=1e-10)


def test_the_denoiser_sees_every_time_once_from_T_to_1():
    seen = []

    def denoise(x, t):
        seen.append(np.asarray(t).tolist())
        return x

    left = [t for t, _ in ancestral_steps(denoise, SCHEDULE, X, Generator(0))]
    assert seen == [[t] * 3 for t in range(60, 0, -1)]
    assert left == list(range(59, -1, -1))


def test_samples_have_the_moments_of_the_data():
    data, n = GaussianData(mean=1.5, s=0.7), 20_000
    x = np.asarray(
        ancestral_sample(
            data.denoiser(cosine(40)),
            cosine(40),
            (n, 1),
            Generator(5),
            data.reverse_variance(cosine(40)),
            dtype="float64",
        )
    )
    assert abs(x.mean() - data.mean) < 5 * data.s / np.sqrt(n)
    assert abs(x.var() - data.s**2) < 5 * data.s**2 * np.sqrt(2 / n)


def test_limits_clip_the_predicted_data():
    x = ancestral_sample(lambda x, t: -10.0 * x, SCHEDULE, (50, 1), Generator(0), limits=(-1.0, 1.0))
    assert np.abs(np.asarray(x)).max() <= 1.0


def test_an_unknown_variance_is_named():
    with pytest.raises(ValueError, match="'learned'"):
        reverse_variance(SCHEDULE, "learned")
