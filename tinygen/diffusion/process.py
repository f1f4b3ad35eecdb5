"""The forward process and its posterior: Gaussians in closed form (Ho et al. 2020, eqs. 2, 4, 6, 7).

q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I), hence
q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I).
Held by tinygen.checks.diffusion (11): composing the steps, and conditioning the joint Gaussian.
"""

import numpy as np

from tinygen.autodiff.fusion import fused
from tinygen.diffusion.schedule import Schedule, at
from tinygen.tensor import Tensor


def q_step(schedule: Schedule, x_before: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """One step of noising, a sample of q(x_t | x_{t-1}) (eq. 2); t (N,) from 1."""
    beta = schedule.beta
    return _mixed(at(np.sqrt(1.0 - beta), t, x_before), x_before, at(np.sqrt(beta), t, x_before), noise)


def q_sample(schedule: Schedule, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise, a sample of q(x_t | x_0) (eq. 4)."""
    a = schedule.alpha_bar
    return _mixed(at(np.sqrt(a), t, x_0), x_0, at(np.sqrt(1.0 - a), t, x_0), noise)


def q_posterior_mean(schedule: Schedule, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
    """The mean of q(x_{t-1} | x_t, x_0) (eq. 7); its variance is `schedule.posterior_variance[t]`."""
    a, beta = schedule.alpha_bar, schedule.beta
    before = np.concatenate([[1.0], a[:-1]])  # alpha_bar_{t-1}; the entry for t = 0 is never asked for
    rest = np.where(a < 1.0, 1.0 - a, 1.0)
    of_x_0 = np.sqrt(before) * beta / rest
    of_x_t = np.sqrt(1.0 - beta) * (1.0 - before) / rest
    return _mixed(at(of_x_0, t, x_0), x_0, at(of_x_t, t, x_t), x_t)


@fused
def _mixed(a: Tensor, x: Tensor, b: Tensor, y: Tensor) -> Tensor:
    return a * x + b * y
