"""Ancestral sampling: Algorithm 2 of Ho et al. 2020, from x_T ~ N(0, I) down to x_0.

x_{t-1} = mean of q(x_{t-1} | x_t, predicted x_0) + sigma_t z, with no noise at the last step (t = 1). sigma_t^2 is
beta_t (right when the data is N(0, I)) or the posterior variance (right when it is one point); section 3.2.
Held by tinygen.checks.diffusion (12): on Gaussian data with the exact denoiser and its true reverse
variance, the samples' moments are the data's.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.device import Device
from tinygen.diffusion.objective import Denoiser
from tinygen.diffusion.prediction import noise_to
from tinygen.diffusion.process import q_posterior_mean
from tinygen.diffusion.schedule import Schedule, at
from tinygen.ops.creation import full
from tinygen.ops.elementwise import clip
from tinygen.random import Generator
from tinygen.tensor import Tensor

Variance = Literal["beta", "posterior"]


def reverse_variance(schedule: Schedule, variance: Variance | np.ndarray) -> np.ndarray:
    """(T + 1,), sigma_t^2 of the reverse steps: a name, or the values themselves."""
    if isinstance(variance, np.ndarray):
        return variance
    if variance not in ("beta", "posterior"):
        raise ValueError(f'the reverse variance is "beta" or "posterior", not {variance!r}')
    return schedule.beta if variance == "beta" else schedule.posterior_variance


def reverse_mean(
    denoise: Denoiser, schedule: Schedule, x_t: Tensor, t: Tensor, limits: tuple[float, float] | None = None
) -> Tensor:
    """The mean of p(x_{t-1} | x_t): eq. 11, by way of the predicted x_0, which `limits` may clip."""
    x_0 = noise_to("x0", denoise(x_t, t), schedule, x_t, t)
    if limits is not None:
        x_0 = clip(x_0, *limits)
    return q_posterior_mean(schedule, x_0, x_t, t)


def ancestral_steps(
    denoise: Denoiser,
    schedule: Schedule,
    x_T: Tensor,
    rng: Generator,
    variance: Variance | np.ndarray = "beta",
    limits: tuple[float, float] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Yields (t, x_t) from t = T - 1 down to 0, starting at `x_T` (N, ...)."""
    sigma = np.sqrt(reverse_variance(schedule, variance))
    x = x_T
    for step in range(schedule.steps, 0, -1):
        t = full((x.shape[0],), step, dtype=np.int64, device=x.device)
        with no_grad():
            x = reverse_mean(denoise, schedule, x, t, limits)
            if step > 1:
                x = x + at(sigma, t, x) * rng.normal(x.shape, x.dtype, x.device)
        yield step - 1, x


def ancestral_sample(
    denoise: Denoiser,
    schedule: Schedule,
    shape: tuple[int, ...],
    rng: Generator,
    variance: Variance | np.ndarray = "beta",
    limits: tuple[float, float] | None = None,
    dtype: str = "float32",
    device: Device | None = None,
) -> Tensor:
    """Samples of `shape` (N, ...) by all T reverse steps."""
    x = rng.normal(shape, dtype, device)
    for _, x_t in ancestral_steps(denoise, schedule, x, rng, variance, limits):
        x = x_t
    return x
