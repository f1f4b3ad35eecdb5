"""The bound estimated from one time an example; its value is held by tinygen.checks.diffusion."""

import math

import numpy as np

from tinygen.checks.diffusion.bound import exact_bound
from tinygen.checks.diffusion.gaussian_data import GaussianData
from tinygen.diffusion.bound import bound_estimate
from tinygen.diffusion.objective import uniform_times
from tinygen.diffusion.schedule import linear
from tinygen.random import Generator


def test_the_estimate_with_one_time_an_example_is_unbiased():
    data, schedule, n = GaussianData(0.0, 0.8), linear(20, last=0.3), 100_000
    rng = Generator(2)
    x_0 = rng.normal((n, 1), dtype="float64") * data.s
    drawn = uniform_times(schedule, n, rng)
    noise = rng.normal((n, 1), dtype="float64")
    estimate = np.asarray(bound_estimate(data.denoiser(schedule), schedule, x_0, drawn.t, drawn.weight, noise, "beta"))
    assert abs(estimate.mean() - exact_bound(data, schedule, "beta")) < 5 * estimate.std() / math.sqrt(n)
