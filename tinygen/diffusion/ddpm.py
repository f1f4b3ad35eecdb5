"""DDPM: Ho, Jain and Abbeel 2020, "Denoising Diffusion Probabilistic Models".

A network learns the noise in x_t (L_simple, eq. 14); samples come from N(0, I) by Algorithm 2. The parts are files of
their own: `schedule`, `process`, `prediction`, `objective`, `sampler`, `bound`, and the network in `tinygen.nets.unet`.

Recipe: U-Net, Adam 1e-3 on digits and 5e-4 on MNIST, EMA; see `DDPMConfig.recipe` and examples/ddpm_mnist/.
Held by tinygen.checks.diffusion and tests/diffusion/.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinygen import nn
from tinygen.autodiff.tape import no_grad
from tinygen.diffusion.bound import bound_estimate
from tinygen.diffusion.objective import noise_errors, simple_loss, uniform_times
from tinygen.diffusion.pictures import IMAGES, WALKERS, of_steps
from tinygen.diffusion.sampler import Variance, ancestral_sample, ancestral_steps
from tinygen.diffusion.schedule import SCHEDULES, Schedule
from tinygen.drawing import Drawing
from tinygen.nets.inputs import as_input
from tinygen.nets.mlp import TimeMLP
from tinygen.nets.unet import UNet
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor


class DDPM(nn.Module):
    """A denoiser trained by L_simple and sampled from by Algorithm 2.

    Args:
        net: maps (x_t, t) to the predicted noise; any module of that form.
        schedule: the noise schedule.
        shape: of one example.
        variance: sigma_t^2 of the reverse steps, "beta" or "posterior".
        limits: the range that predicted data is clipped to while sampling; None leaves it alone.
    """

    def __init__(
        self,
        net: nn.Module,
        schedule: Schedule,
        shape: tuple[int, ...],
        variance: Variance = "beta",
        limits: tuple[float, float] | None = None,
    ):
        super().__init__()
        self.net = net
        self.schedule = schedule
        self.shape = shape
        self.variance = variance
        self.limits = limits

    def _data(self, batch: Any) -> Tensor:
        return as_input(batch["x"], next(self.parameters()))

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """L_simple on batch["x"] (N, ...), and no further terms."""
        return simple_loss(self.net, self.schedule, self._data(batch), rng), {}

    def sample(self, n: int, rng: Generator, cond: Any = None) -> Tensor:
        """(n, ...) samples by all T steps of Algorithm 2. The model is unconditional: `cond` must be None."""
        if cond is not None:
            raise ValueError("ddpm is unconditional: sample(n, rng) takes no condition")
        where = next(self.parameters()).device
        size = (n, *self.shape)
        return ancestral_sample(self.net, self.schedule, size, rng, self.variance, self.limits, device=where)

    def evaluate(self, dataset: Any, rng: Generator) -> dict[str, tuple[float, str]]:
        """L_simple and an unbiased estimate of the variational bound, on all of `dataset`, one t an example."""
        errors, bounds = [], []
        with no_grad():
            for start in range(0, len(dataset.x), 256):
                x = self._data({"x": dataset.x[start : start + 256]})
                times = uniform_times(self.schedule, len(x), rng, x.device)
                noise = rng.normal(x.shape, x.dtype, x.device)
                errors.append(np.asarray(noise_errors(self.net, self.schedule, x, times.t, noise)))
                estimate = bound_estimate(self.net, self.schedule, x, times.t, times.weight, noise, self.variance)
                bounds.append(np.asarray(estimate) / x[0].size)
        return {
            "L_simple": (float(np.mean(np.concatenate(errors))), "mean squared error of the noise"),
            "negative log-density, upper bound": (float(np.mean(np.concatenate(bounds))), "nats per dimension"),
        }

    def drawings(self, dataset: Any, rng: Generator) -> list[Drawing]:
        """The way from noise to samples."""
        where = next(self.parameters()).device
        x = rng.normal((IMAGES if len(self.shape) == 3 else WALKERS, *self.shape), device=where)
        steps = ancestral_steps(self.net, self.schedule, x, rng, self.variance, self.limits)
        return of_steps(x, steps, self.schedule.steps)


@dataclass(frozen=True)
class DDPMConfig:
    """Denoising diffusion (Ho et al. 2020): a U-Net predicts the noise, sampling undoes it step by step."""

    timesteps: int = 1000
    """T, the number of noising steps."""
    schedule: Literal["linear", "cosine"] = "cosine"
    """How the noise grows: linear in beta (Ho et al. 2020) or cosine (Nichol and Dhariwal 2021)."""
    variance: Literal["beta", "posterior"] = "posterior"
    """Variance of the reverse steps."""
    channels: int = 32
    """Width of the U-Net at the finest resolution (of the perceptron's layers, times 4, for points)."""
    multipliers: tuple[int, ...] = (1, 2, 2)
    """Width at each resolution, in units of channels; images that halve to under 4 pixels get fewer resolutions."""
    blocks: int = 1
    """Residual blocks at each resolution."""
    heads: int = 4
    """Attention heads at the coarsest resolution; 0 for no attention."""

    def recipe(self, data: str) -> Recipe:
        """Digits in under 3 minutes on 2 cores; larger images take longer."""
        if data == "digits":
            return Recipe(steps=1200, batch_size=64, lr=1e-3, ema_decay=0.995, warmup=100, sample_every=400)
        return Recipe(steps=4000, batch_size=64, lr=5e-4, ema_decay=0.998, warmup=200, sample_every=1000)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> DDPM:
        """The model for images (C, H, W), or with a perceptron for points (D,)."""
        for name, least in {"channels": 1, "blocks": 1, "heads": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is at least {least}, not {getattr(self, name)}")
        if min(self.multipliers, default=0) < 1:
            raise ValueError(f"multipliers are one or more integers of at least 1, not {self.multipliers}")
        schedule = SCHEDULES[self.schedule](self.timesteps)
        if len(shape) != 3:
            size = int(np.prod(shape))
            return DDPM(TimeMLP(size, (4 * self.channels,) * 3, rng=rng), schedule, shape, self.variance)
        levels = 1
        while levels < len(self.multipliers) and all(n % 2**levels == 0 and n // 2**levels >= 4 for n in shape[1:]):
            levels += 1
        multipliers = self.multipliers[:levels]
        net = UNet(shape[0], shape[0], self.channels, multipliers, self.blocks, self.heads, rng=rng)
        return DDPM(net, schedule, shape, self.variance, limits=(-1.0, 1.0))
