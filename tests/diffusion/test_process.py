"""The forward process: one jump equals many steps, and the posterior is Bayes' rule (CHECKS 11)."""

import numpy as np
import pytest
from gaussian import times

from tinygen.diffusion.process import q_posterior_mean, q_sample, q_step
from tinygen.diffusion.schedule import SCHEDULES
from tinygen.tensor import Tensor

ONE, ZERO = Tensor(np.ones((1, 1))), Tensor(np.zeros((1, 1)))


@pytest.mark.parametrize("name", SCHEDULES)
def test_composing_the_steps_gives_the_jump(name):
    schedule = SCHEDULES[name](100)
    gain, variance = 1.0, 0.0  # of x_t as a function of x_0
    for step in range(1, 101):
        t = times(1, step)
        keep, add = q_step(schedule, ONE, t, ZERO).item(), q_step(schedule, ZERO, t, ONE).item()
        gain, variance = keep * gain, keep**2 * variance + add**2
        assert q_sample(schedule, ONE, t, ZERO).item() == pytest.approx(gain, rel=1e-12)
        assert q_sample(schedule, ZERO, t, ONE).item() ** 2 == pytest.approx(variance, rel=1e-10)


def test_at_time_zero_the_jump_is_the_data():
    x = Tensor(np.array([[3.0]]))
    assert q_sample(SCHEDULES["linear"](10), x, times(1, 0), ONE).item() == 3.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_posterior_conditions_the_joint_gaussian(name):
    schedule = SCHEDULES[name](50)
    a, beta = schedule.alpha_bar, schedule.beta
    x_0, x_t = 0.7, -1.3
    for t in range(1, 51):
        # (x_{t-1}, x_t) given x_0: means, variances and covariance of the chain
        before, var_t, cov = 1 - a[t - 1], 1 - a[t], np.sqrt(1 - beta[t]) * (1 - a[t - 1])
        mean = np.sqrt(a[t - 1]) * x_0 + cov / var_t * (x_t - np.sqrt(a[t]) * x_0)
        found = q_posterior_mean(schedule, ONE * x_0, ONE * x_t, times(1, t)).item()
        assert found == pytest.approx(mean, rel=1e-10)
        assert schedule.posterior_variance[t] == pytest.approx(before - cov**2 / var_t, rel=1e-8, abs=1e-15)


def test_each_example_has_its_own_time_whatever_the_shape():
    schedule = SCHEDULES["linear"](10)
    rng = np.random.default_rng(0)
    x, noise = Tensor(rng.normal(size=(3, 2, 4, 4))), Tensor(rng.normal(size=(3, 2, 4, 4)))
    t = Tensor(np.array([1, 5, 10]))
    together = np.asarray(q_sample(schedule, x, t, noise))
    for i in range(3):
        alone = q_sample(schedule, x[i : i + 1], t[i : i + 1], noise[i : i + 1])
        np.testing.assert_array_equal(together[i], np.asarray(alone)[0])


@pytest.mark.parametrize("time", [-1, 11])
def test_a_time_outside_the_schedule_is_named(time):
    x = Tensor(np.zeros((1, 2)))
    with pytest.raises(IndexError, match=f"time {time} is outside 0 to 10"):
        q_sample(SCHEDULES["linear"](10), x, Tensor(np.array([time])), x)
