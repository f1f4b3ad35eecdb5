"""The variational bound on Gaussian data is the entropy plus the mismatch of the prior (CHECKS 12, 13)."""

import math

import numpy as np
import pytest
from gaussian import GaussianData, times

from tinygen.diffusion.bound import bound_estimate, prior_term, step_term
from tinygen.diffusion.objective import uniform_times
from tinygen.diffusion.schedule import Schedule, cosine, linear
from tinygen.random import Generator


def exact_bound(data: GaussianData, schedule: Schedule, variance) -> float:
    """The expectation of the bound, by quadrature that is exact for its quadratics."""
    x_0, noise, weight = data.quadrature()
    denoise = data.denoiser(schedule)
    total = float(weight @ np.asarray(prior_term(schedule, x_0)))
    for t in range(1, schedule.steps + 1):
        term = step_term(denoise, schedule, x_0, times(len(x_0), t), noise, variance)
        total += float(weight @ np.asarray(term))
    return total


@pytest.mark.parametrize(
    "schedule", [linear(40, last=0.3), linear(1), cosine(30)], ids=["linear", "one step", "cosine"]
)
@pytest.mark.parametrize("s", [0.2, 1.0, 2.5])
def test_with_the_true_reverse_kernel_the_bound_is_entropy_plus_kl_of_the_prior(schedule, s):
    data = GaussianData(0.0, s)
    entropy = 0.5 * math.log(2 * math.pi * math.e * s**2)
    v = data.marginal_variance(schedule)[-1]
    kl = 0.5 * (v - 1 - math.log(v))
    found = exact_bound(data, schedule, data.reverse_variance(schedule))
    assert found == pytest.approx(entropy + kl, rel=1e-9, abs=1e-10)


def test_any_other_variance_costs_more():
    data, schedule = GaussianData(0.0, 0.5), linear(40, last=0.3)
    best = exact_bound(data, schedule, data.reverse_variance(schedule))
    assert exact_bound(data, schedule, "beta") > best + 1e-3
    assert exact_bound(data, schedule, "posterior") > best + 1e-3


def test_the_estimate_with_one_time_an_example_is_unbiased():
    data, schedule, n = GaussianData(0.0, 0.8), linear(20, last=0.3), 100_000
    rng = Generator(2)
    x_0 = rng.normal((n, 1), dtype="float64") * data.s
    drawn = uniform_times(schedule, n, rng)
    noise = rng.normal((n, 1), dtype="float64")
    estimate = np.asarray(bound_estimate(data.denoiser(schedule), schedule, x_0, drawn.t, drawn.weight, noise, "beta"))
    assert abs(estimate.mean() - exact_bound(data, schedule, "beta")) < 5 * estimate.std() / math.sqrt(n)
