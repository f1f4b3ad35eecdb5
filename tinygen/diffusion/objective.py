"""L_simple, the mean squared error of the predicted noise (Ho et al. 2020, eq. 14), and how times are drawn.

Held by tinygen.checks.diffusion (12, 16): on Gaussian data the least loss at each t is
alpha_bar s^2 / V, and importance-sampled times leave the expectation unchanged.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinygen.device import Device
from tinygen.diffusion.process import q_sample
from tinygen.diffusion.schedule import Schedule
from tinygen.ops.losses import squared_distance_by_example
from tinygen.random import Generator
from tinygen.tensor import Tensor

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""Maps x_t (N, ...) and t (N,) to the predicted noise (N, ...)."""


@dataclass(frozen=True)
class Times:
    """Drawn times t (N,) and the weights (N,) that make a weighted mean over them unbiased for uniform t."""

    t: Tensor
    weight: np.ndarray


def uniform_times(schedule: Schedule, n: int, rng: Generator, device: Device | None = None) -> Times:
    """t uniform on 1 to T."""
    return Times(rng.integers(1, schedule.steps + 1, (n,), device), np.ones(n))


def importance_times(schedule: Schedule, n: int, rng: Generator, probability: np.ndarray) -> Times:
    """t drawn with `probability` (T + 1,), 0 at t = 0; weight 1 / (T p_t) (Nichol and Dhariwal 2021, eq. 18).

    Raises:
        ValueError: probabilities that do not sum to 1 over 1 to T, or are 0 somewhere there.
    """
    p = np.asarray(probability, dtype=np.float64)
    if p.shape != (schedule.steps + 1,) or p[0] != 0 or (p[1:] <= 0).any() or abs(p.sum() - 1.0) > 1e-9:
        raise ValueError(f"probability must be 0 at t = 0 and positive on 1 to {schedule.steps}, with sum 1")
    u = np.asarray(rng.uniform((n,), dtype="float64"))
    t = np.minimum(np.searchsorted(np.cumsum(p), u, side="right"), schedule.steps)
    return Times(Tensor(t.astype(np.int64)), 1.0 / (schedule.steps * p[t]))


def noise_errors(denoise: Denoiser, schedule: Schedule, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """|e - e_theta(x_t, t)|^2, the mean over the dimensions of each example: (N,)."""
    predicted = denoise(q_sample(schedule, x_0, t, noise), t)
    return squared_distance_by_example(predicted, noise) * (1.0 / math.prod(x_0.shape[1:]))


def simple_loss(denoise: Denoiser, schedule: Schedule, x_0: Tensor, rng: Generator) -> Tensor:
    """L_simple: the mean of `noise_errors` over the batch, uniform t and fresh noise."""
    times = uniform_times(schedule, x_0.shape[0], rng, x_0.device)
    noise = rng.normal(x_0.shape, x_0.dtype, x_0.device)
    return noise_errors(denoise, schedule, x_0, times.t, noise).mean()
