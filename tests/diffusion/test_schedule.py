"""Schedules of any length, and what is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.diffusion.schedule import SCHEDULES, Schedule, cosine, linear


@pytest.mark.parametrize("name", SCHEDULES)
@given(steps=st.integers(1, 400))
def test_time_zero_is_the_data_and_noise_only_grows(name, steps):
    schedule = SCHEDULES[name](steps)
    assert schedule.steps == steps
    assert schedule.alpha_bar[0] == 1.0
    assert (np.diff(schedule.alpha_bar) < 0).all()
    assert schedule.alpha_bar[-1] > 0
    np.testing.assert_allclose(np.cumprod(1.0 - schedule.beta), schedule.alpha_bar, rtol=1e-12)


def test_linear_betas_rise_from_first_to_last():
    np.testing.assert_allclose(linear(5, 0.1, 0.5).beta[1:], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-12)


def test_the_first_posterior_is_a_point_and_all_stay_below_beta():
    schedule = linear(100)
    assert schedule.posterior_variance[1] == 0
    assert (schedule.posterior_variance[2:] < schedule.beta[2:]).all()


@given(step=st.integers(1, 50))
def test_every_kth_step_keeps_alpha_bar(step):
    schedule = cosine(200)
    visited = list(range(step, 201, step))
    np.testing.assert_array_equal(schedule.subsequence(visited).alpha_bar[1:], schedule.alpha_bar[visited])


def test_signal_to_noise_falls_from_infinity():
    snr = linear(10).snr
    assert snr[0] == np.inf
    assert (np.diff(snr[1:]) < 0).all()


@pytest.mark.parametrize("alpha_bar", [[1.0], [0.9, 0.5], [1.0, 0.5, 0.5], [1.0, 0.5, 0.0]])
def test_what_is_no_schedule_is_refused(alpha_bar):
    with pytest.raises(ValueError, match="fall strictly"):
        Schedule(np.array(alpha_bar))


@pytest.mark.parametrize("times", [[], [0, 1], [2, 1], [1, 1], [1, 11]])
def test_times_outside_the_schedule_are_refused(times):
    with pytest.raises(ValueError, match="1 to 10"):
        linear(10).subsequence(times)


def test_a_schedule_needs_a_step():
    with pytest.raises(ValueError, match="at least 1 step"):
        linear(0)
