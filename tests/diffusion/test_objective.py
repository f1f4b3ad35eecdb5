"""L_simple on Gaussian data, exactly (CHECKS 12), and importance-sampled times (CHECKS 16)."""

import numpy as np
import pytest
from gaussian import GaussianData, times
from scipy import stats

import tinygen as tg
from tinygen.diffusion.objective import importance_times, noise_errors, simple_loss, uniform_times
from tinygen.diffusion.schedule import at, linear
from tinygen.random import Generator
from tinygen.tensor import Tensor

SCHEDULE = linear(100, last=0.2)


@pytest.mark.parametrize("t", [1, 10, 50, 100])
@pytest.mark.parametrize("s", [0.3, 1.0, 2.0])
def test_the_least_loss_is_alpha_bar_s2_over_v_and_the_closed_form_attains_it(s, t):
    data = GaussianData(mean=0.5, s=s)
    x_0, noise, weight = data.quadrature()
    a, v = SCHEDULE.alpha_bar[t], data.marginal_variance(SCHEDULE)[t]
    best = tg.tensor([np.sqrt(1 - a) / v, np.sqrt(a) * data.mean], dtype="float64", requires_grad=True)

    def loss(parameters, denoise):
        return (noise_errors(denoise, SCHEDULE, x_0, times(len(x_0), t), noise) * Tensor(weight)).sum()

    exact = loss(None, data.denoiser(SCHEDULE)).item()
    assert exact == pytest.approx(a * s**2 / v, rel=1e-10)
    # Among all affine predictors gain (x_t - centre) it is stationary, and the loss is convex in the prediction.
    affine = loss(best, lambda x, _: best[0] * (x - best[1]))
    assert affine.item() == pytest.approx(exact, rel=1e-10)
    np.testing.assert_allclose(np.asarray(tg.grad(affine, best)[0]), 0.0, atol=1e-12)


def test_the_loss_is_an_average_over_uniform_times():
    data = GaussianData(0.0, 1.5)
    rng = Generator(3)
    x_0 = rng.normal((200_000, 1), dtype="float64") * data.s
    found = simple_loss(data.denoiser(SCHEDULE), SCHEDULE, x_0, rng).item()
    least = (SCHEDULE.alpha_bar * data.s**2 / data.marginal_variance(SCHEDULE))[1:]
    # errors are chi-squared with mean `least`: variance 2 least^2 within a time and that of `least` between times
    spread = np.sqrt((2 * least**2).mean() + least.var())
    assert abs(found - least.mean()) < 5 * spread / np.sqrt(200_000)


def test_times_run_from_1_to_T():
    t = np.asarray(uniform_times(SCHEDULE, 20_000, Generator(0)).t)
    assert t.min() == 1
    assert t.max() == 100
    assert stats.chisquare(np.bincount(t)[1:]).pvalue > 1e-6


def test_importance_sampling_leaves_the_expectation_alone():
    p = np.concatenate([[0.0], np.arange(1.0, 101.0)])
    p /= p.sum()
    times_drawn = importance_times(SCHEDULE, 20_000, Generator(1), p)
    t = np.asarray(times_drawn.t)
    assert stats.chisquare(np.bincount(t, minlength=101)[1:], 20_000 * p[1:]).pvalue > 1e-6
    # E_p[weight f] = mean of f over uniform t, for every f, iff p_t weight_t = 1 / T
    np.testing.assert_allclose(p[t] * times_drawn.weight, 1 / 100, rtol=1e-12)


def test_probabilities_that_miss_a_time_are_refused():
    p = np.full(101, 1 / 99)
    p[[0, 7]] = 0.0
    with pytest.raises(ValueError, match="positive on 1 to 100"):
        importance_times(SCHEDULE, 4, Generator(0), p)


def test_times_reach_values_by_example_and_dtype():
    picked = at(SCHEDULE.alpha_bar, Tensor(np.array([0, 100])), Tensor(np.zeros((2, 3, 4, 4), np.float32)))
    assert picked.shape == (2, 1, 1, 1)
    assert picked.dtype == np.float32
    np.testing.assert_allclose(np.asarray(picked).ravel(), SCHEDULE.alpha_bar[[0, 100]], rtol=1e-6)
