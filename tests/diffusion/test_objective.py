"""L_simple as it is drawn, and what is no distribution over times."""

import numpy as np
import pytest

from tinygen.checks.diffusion.gaussian_data import GaussianData
from tinygen.diffusion.objective import importance_times, simple_loss
from tinygen.diffusion.schedule import at, linear
from tinygen.random import Generator
from tinygen.tensor import Tensor

SCHEDULE = linear(100, last=0.2)


def test_the_loss_is_an_average_over_uniform_times():
    data = GaussianData(0.0, 1.5)
    rng = Generator(3)
    x_0 = rng.normal((200_000, 1), dtype="float64") * data.s
    found = simple_loss(data.denoiser(SCHEDULE), SCHEDULE, x_0, rng).item()
    least = (SCHEDULE.alpha_bar * data.s**2 / data.marginal_variance(SCHEDULE))[1:]
    # errors are chi-squared with mean `least`: variance 2 least^2 within a time and that of `least` between times
    spread = np.sqrt((2 * least**2).mean() + least.var())
    assert abs(found - least.mean()) < 5 * spread / np.sqrt(200_000)


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
