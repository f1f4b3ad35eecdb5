"""The variational bound L_T + sum_t L_{t-1} + L_0 on -log p(x_0), in nats (Ho et al. 2020, eq. 5).

Every term but L_0 is a KL between Gaussians in closed form; L_0 = -log p(x_0 | x_1) with a Gaussian density, so this
bounds the negative log-density of continuous data. Held by tinygen.checks.diffusion (13, 14): on data N(0, s^2)
with the exact denoiser and the true reverse variance it equals entropy + KL(q(x_T) || N(0, 1)).
"""

import math

import numpy as np

from tinygen.diffusion.objective import Denoiser
from tinygen.diffusion.process import q_posterior_mean, q_sample
from tinygen.diffusion.sampler import Variance, reverse_mean, reverse_variance
from tinygen.diffusion.schedule import Schedule, at
from tinygen.tensor import Tensor


def _per_example(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], -1).sum(axis=1)


def prior_term(schedule: Schedule, x_0: Tensor) -> Tensor:
    """L_T = KL(q(x_T | x_0) || N(0, I)) for each example: (N,)."""
    a = float(schedule.alpha_bar[-1])
    return _per_example(0.5 * (a * x_0 * x_0 + (1.0 - a) - 1.0 - math.log(1.0 - a)))


def step_term(
    denoise: Denoiser,
    schedule: Schedule,
    x_0: Tensor,
    t: Tensor,
    noise: Tensor,
    variance: Variance | np.ndarray = "beta",
) -> Tensor:
    """L_{t-1} for each example at its own t (N,), given the noise of x_t: (N,).

    For t > 1, KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)); for t = 1, -log p(x_0 | x_1), where "posterior" means
    the variance of step 2 since its own is 0 (Nichol and Dhariwal 2021, section 2.1).
    """
    sigma2 = reverse_variance(schedule, variance).copy()
    if sigma2[1] == 0:
        sigma2[1] = sigma2[2] if schedule.steps > 1 else schedule.beta[1]
    sigma2[0] = 1.0  # never asked for
    x_t = q_sample(schedule, x_0, t, noise)
    mean_p = reverse_mean(denoise, schedule, x_t, t)
    mean_q = q_posterior_mean(schedule, x_0, x_t, t)  # at t = 1 this is x_0 itself
    ratio = schedule.posterior_variance / sigma2
    # KL of Gaussians; at t = 1 the "posterior" is a point at x_0 and what is left is the negative log-density.
    constant = np.empty_like(ratio)
    constant[2:] = 0.5 * (ratio[2:] - 1.0 - np.log(ratio[2:]))
    constant[:2] = 0.5 * np.log(2.0 * math.pi * sigma2[:2])
    squares = (mean_q - mean_p) ** 2 * at(0.5 / sigma2, t, x_0)
    return _per_example(squares + at(constant, t, x_0))


def bound_estimate(
    denoise: Denoiser,
    schedule: Schedule,
    x_0: Tensor,
    t: Tensor,
    weight: np.ndarray,
    noise: Tensor,
    variance: Variance | np.ndarray = "beta",
) -> Tensor:
    """An unbiased estimate of the bound for each example, in nats: (N,); t and weight as `objective.Times` gives."""
    weights = Tensor((schedule.steps * weight).astype(x_0.dtype)).to(x_0.device)
    return prior_term(schedule, x_0) + weights * step_term(denoise, schedule, x_0, t, noise, variance)
