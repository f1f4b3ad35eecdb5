"""The generator's input: its prior, the ways between two points of it, and arithmetic on it.

There is one place where a latent is drawn, so that what a generator is trained on is what it is sampled from.
Held by tinygen/checks/gan/ (CHECKS 32) and tests/gan/test_latent.py.
"""

import math
from typing import Literal

import numpy as np

from tinygen import ops
from tinygen.device import Device
from tinygen.nn import init
from tinygen.ops.linalg import norm
from tinygen.random import Generator
from tinygen.tensor import DTypeLike, Tensor

Prior = Literal["normal", "uniform"]
"""N(0, I), or uniform on [-1, 1] in every coordinate, as Radford et al. 2016 have it."""


def draw(
    prior: Prior,
    n: int,
    latent: int,
    rng: Generator,
    dtype: DTypeLike = np.float32,
    truncation: float = math.inf,
    device: Device | None = None,
) -> Tensor:
    """n latents of the prior, (n, latent).

    Args:
        truncation: t of the truncation trick (Brock et al. 2019, section 3.1): each coordinate is that of N(0, 1)
            conditioned on [-t, t], of variance 1 - 2 t phi(t) / (2 Phi(t) - 1).

    Raises:
        ValueError: t not above 0, or a uniform prior with one: it has no tails.
    """
    if truncation == math.inf:
        if prior == "uniform":
            return 2.0 * rng.uniform((n, latent), dtype, device) - 1.0
        return rng.normal((n, latent), dtype, device)
    if not truncation > 0:
        raise ValueError(f"truncation is above 0, not {truncation}")
    if prior != "normal":
        raise ValueError(f"truncation is for the normal prior; this generator's is {prior}")
    drawn = init.trunc_normal_(Tensor(np.empty((n, latent), dtype)), low=-truncation, high=truncation, rng=rng)
    return drawn if device is None else drawn.to(device)


def interpolate(a: Tensor, b: Tensor, steps: int, spherical: bool = True) -> Tensor:
    """From a to b in equal steps: (steps, ..., latent) for a and b (..., latent), both ends included.

    On the great circle (White 2016, "Sampling generative networks"), length from one to the other linear, so that no
    point between is shorter than the prior's draws are; or on the straight line.

    Raises:
        ValueError: fewer than 2 steps.
    """
    if steps < 2:
        raise ValueError(f"interpolate takes 2 steps at least, both ends, not {steps}")
    t = Tensor(np.linspace(0, 1, steps, dtype=a.dtype).reshape(-1, *[1] * a.ndim)).to(a.device)
    if not spherical:
        return (1 - t) * a + t * b
    length_a, length_b = (norm(z, axis=-1, keepdims=True) for z in (a, b))
    unit_a, unit_b = a / length_a, b / length_b
    angle = ops.acos(ops.clip((unit_a * unit_b).sum(-1, keepdims=True), -1.0, 1.0))
    straight = ops.sin(angle) < 1e-6  # the same direction, or opposite ones: no one great circle
    safe = ops.where(straight, 1.0, ops.sin(angle))
    on_circle = (ops.sin((1 - t) * angle) * unit_a + ops.sin(t * angle) * unit_b) / safe
    length = (1 - t) * length_a + t * length_b
    return ops.where(straight, (1 - t) * a + t * b, length * on_circle)


def arithmetic(base: Tensor, plus: Tensor, minus: Tensor) -> Tensor:
    """base + mean(plus) - mean(minus): "smiling woman - woman + man" (Radford et al. 2016, section 6.3.2).

    Args:
        base: (..., latent).
        plus, minus: latents (n, latent) and (m, latent) of what is to be added and taken away; the means of several
            are less noisy than one.
    """
    return base + plus.mean(0) - minus.mean(0)
