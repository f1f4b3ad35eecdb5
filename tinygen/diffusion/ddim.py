"""DDIM: Song, Meng and Ermon 2021, "Denoising diffusion implicit models": fewer steps, and noise by choice.

    x_{t-1} = sqrt(abar_{t-1}) x_0 + sqrt(1 - abar_{t-1} - sigma^2) e + sigma z                              (eq. 12)
    sigma = eta sqrt((1 - abar_{t-1}) / (1 - abar_t)) sqrt(1 - abar_t / abar_{t-1})                          (eq. 16)

with x_0 and e as predicted at x_t. Every eta keeps the marginals q(x_t | x_0), so one network serves them all: eta = 0
is deterministic, eta = 1 the ancestral sampler with the posterior variance. Held by tinygen.checks.diffusion (15).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.diffusion.objective import Denoiser
from tinygen.diffusion.prediction import noise_from, noise_to
from tinygen.diffusion.schedule import Schedule, at
from tinygen.ops.creation import full
from tinygen.ops.elementwise import clip
from tinygen.random import Generator
from tinygen.tensor import Tensor


def ddim_step(schedule: Schedule, x_t: Tensor, noise: Tensor, t: Tensor, z: Tensor, eta: float = 0.0) -> Tensor:
    """x_{t-1} (N, ...) from x_t, the noise predicted there, times t (N,) from 1 and fresh normal z."""
    a = schedule.alpha_bar
    before = np.concatenate([[1.0], a[:-1]])  # alpha_bar_{t-1}; the entry for t = 0 is never asked for
    variance = eta**2 * schedule.posterior_variance
    x_0 = noise_to("x0", noise, schedule, x_t, t)
    towards = at(np.sqrt(np.maximum(1.0 - before - variance, 0.0)), t, x_t)
    return at(np.sqrt(before), t, x_t) * x_0 + towards * noise + at(np.sqrt(variance), t, x_t) * z


def ddim_steps(
    denoise: Denoiser,
    schedule: Schedule,
    x_T: Tensor,
    rng: Generator,
    times: Sequence[int] | None = None,
    eta: float = 0.0,
    limits: tuple[float, float] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Yields (t, x_t) at each time visited, falling to 0, starting at `x_T` (N, ...).

    Args:
        times: the times at which the network is asked, rising, the last that of `x_T`; all of them when None.
        eta: 0 for no noise, 1 for that of the ancestral sampler.
        limits: the range that predicted data is clipped to.

    Raises:
        ValueError: an eta outside [0, 1], times that do not rise from 1 to T.
    """
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta is from 0 to 1, not {eta}")
    visited = list(range(1, schedule.steps + 1)) if times is None else list(times)
    shorter = schedule.subsequence(visited)
    x = x_T
    for step in range(shorter.steps, 0, -1):
        with no_grad():
            t, asked = (full((x.shape[0],), n, dtype=np.int64, device=x.device) for n in (step, visited[step - 1]))
            noise = denoise(x, asked)
            if limits is not None:
                x_0 = clip(noise_to("x0", noise, shorter, x, t), *limits)
                noise = noise_from("x0", x_0, shorter, x, t)
            z = rng.normal(x.shape, x.dtype, x.device) if eta else 0.0 * x
            x = ddim_step(shorter, x, noise, t, z, eta)
        yield visited[step - 2] if step > 1 else 0, x
