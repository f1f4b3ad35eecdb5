"""RealNVP in JAX, both ways: tinygen/flow/realnvp.py."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from tinygen.bench.jax_models import layers as F
from tinygen.bench.jax_models.layers import Arrays, convolution

SCALES = "flow.flows.1.scales"


def _checkerboard(channels: int, side: int, parity: int) -> np.ndarray:
    i = np.arange(side)
    return np.repeat((((i[:, None] + i + parity) % 2) == 0)[..., None], channels, -1).astype(np.float32)


def _half(channels: int, side: int, parity: int) -> np.ndarray:
    first = (np.arange(channels) < channels // 2) != bool(parity)
    return np.broadcast_to(first.astype(np.float32), (side, side, channels))


# Scale by scale the couplings by their places among the flows, each after its normalisation; None is the squeeze.
FIRST: dict[int, Any] = {1 + 2 * i: _checkerboard(1, 28, i % 2) for i in range(3)}
FIRST |= {6: None} | {8 + 2 * i: _half(4, 14, i % 2) for i in range(3)}
LAST = {1 + 2 * i: _checkerboard(2, 14, i % 2) for i in range(4)}


def moves(p: Arrays, name: str, mask: np.ndarray, x: Array) -> tuple[Array, Array]:
    """s and t, 0 where the mask is 1."""
    h = convolution(p, f"{name}.net.inward", mask * x)
    wide = F.relu(convolution(p, f"{name}.net.wide.0", F.relu(h)))
    h = h + convolution(p, f"{name}.net.narrow.0", wide)
    s, t = jnp.split(convolution(p, f"{name}.net.outward", F.relu(h)), 2, -1)
    return (1 - mask) * 2 * jnp.tanh(0.5 * s), (1 - mask) * t


def squeeze(x: Array) -> Array:
    """(N, 2 H, 2 W, C) to (N, H, W, 4 C)."""
    n, height, width, c = x.shape
    x = x.reshape(n, height // 2, 2, width // 2, 2, c)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(n, height // 2, width // 2, 4 * c)


def unsqueeze(y: Array) -> Array:
    n, height, width, c = y.shape
    y = y.reshape(n, height, width, c // 4, 2, 2)
    return y.transpose(0, 1, 4, 2, 5, 3).reshape(n, 2 * height, 2 * width, c // 4)


def activation(p: Arrays, name: str) -> tuple[Array, Array]:
    """The logarithm of the scale, and the shift, of channels."""
    return p[f"{name}.log_scale"].reshape(-1), p[f"{name}.shift"].reshape(-1)


def forward(p: Arrays, scale: int, x: Array) -> tuple[Array, Array]:
    log_det = jnp.zeros(len(x))
    for place, mask in (FIRST, LAST)[scale].items():
        name = f"{SCALES}.{scale}.flows"
        if mask is None:
            x = squeeze(x)
            continue
        log_scale, shift = activation(p, f"{name}.{place - 1}")
        x = x * jnp.exp(log_scale) + shift
        s, t = moves(p, f"{name}.{place}", mask, x)
        x = x * jnp.exp(s) + t
        log_det = log_det + s.sum((1, 2, 3)) + log_scale.sum() * (x.shape[1] * x.shape[2])
    return x, log_det


def inverse(p: Arrays, scale: int, y: Array) -> Array:
    for place, mask in reversed((FIRST, LAST)[scale].items()):
        name = f"{SCALES}.{scale}.flows"
        if mask is None:
            y = unsqueeze(y)
            continue
        s, t = moves(p, f"{name}.{place}", mask, y)
        log_scale, shift = activation(p, f"{name}.{place - 1}")
        y = ((y - t) * jnp.exp(-s) - shift) * jnp.exp(-log_scale)
    return y


def loss(p: Arrays, batch: Arrays, noise: Arrays) -> tuple[Array, None]:
    k = jnp.round((batch["x"] + 1) * 127.5)
    x = 0.05 + 0.9 * (k + noise["noise"]) / 256
    a, b = jnp.log(x), jnp.log1p(-x)
    log_det = (math.log(0.9) - a - b).sum((1, 2, 3))
    x, more = forward(p, 0, a - b)
    kept, left = jnp.split(x, 2, -1)
    z, last = forward(p, 1, kept)
    log_det = log_det + more + last
    square = sum((part**2 + math.log(2 * math.pi)).sum((1, 2, 3)) for part in (left, z))
    return ((0.5 * square - log_det) / (784 * math.log(2)) + 8).mean(), None


def sample(p: Arrays, noise: Arrays) -> Array:
    """Images in [-1, 1] of z from the base law, of 256 levels."""
    z = noise["z"].reshape(-1, 4, 14, 14).transpose(0, 2, 3, 1)
    left, last = jnp.split(z, 2, -1)
    x = inverse(p, 0, jnp.concatenate([inverse(p, 1, last), left], -1))
    x = (jax.nn.sigmoid(x) - 0.05) / 0.9
    return jnp.floor(256 * x).clip(0, 255) * (2 / 255) - 1
