"""Noise of standard form on the generator's bits: made in float64, so that float32 has true tails, without gradient."""

import numpy as np

from tinygen import ops
from tinygen.autodiff.tape import no_grad
from tinygen.device import Device
from tinygen.random import Generator
from tinygen.tensor import Tensor

_SMALLEST = 2.0**-54  # in place of an exact 0, half the spacing of the uniforms


def open_uniform(rng: Generator, shape: tuple[int, ...], device: str | Device) -> Tensor:
    """Uniform in the open interval (0, 1), float64."""
    return ops.maximum(rng.uniform(shape, np.float64, device), _SMALLEST)


@no_grad()
def exponential(rng: Generator, shape: tuple[int, ...], device: str | Device) -> Tensor:
    """Exponential of rate 1, by the inverse of its distribution function, float64."""
    return -ops.log(open_uniform(rng, shape, device))


@no_grad()
def laplace(rng: Generator, shape: tuple[int, ...], device: str | Device) -> Tensor:
    """Laplace of location 0 and scale 1, float64."""
    u = open_uniform(rng, shape, device) - 0.5
    return -ops.sign(u) * ops.log1p(-2.0 * ops.abs(u))


@no_grad()
def logistic(rng: Generator, shape: tuple[int, ...], device: str | Device) -> Tensor:
    """Logistic of location 0 and scale 1, float64."""
    u = open_uniform(rng, shape, device)
    return ops.log(u) - ops.log1p(-u)


@no_grad()
def log_gamma(rng: Generator, concentration: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Logarithms of gamma draws of rate 1, float64: no underflow however small the concentration.

    Marsaglia and Tsang 2000, "A simple method for generating gamma variables": d (1 + c z)^3 is accepted with
    probability above 0.95; a concentration a is drawn as a + 1 times u^(1/a). Each round takes two words of the stream
    for every place that is still open, so how far it moves on depends on the draws.
    """
    a = np.broadcast_to(np.asarray(concentration, np.float64), shape).ravel()
    d = a + 2 / 3  # Marsaglia and Tsang's d = a - 1/3, of a + 1
    c = 1 / np.sqrt(9 * d)
    result = np.empty(a.size)
    waiting = np.arange(a.size)
    while waiting.size:
        z = np.asarray(rng.normal(waiting.size, np.float64, "cpu"))
        u = np.asarray(open_uniform(rng, (waiting.size,), "cpu"))
        dd, base = d[waiting], 1 + c[waiting] * z
        log_v = 3 * np.log(np.maximum(base, 1e-300))
        accepted = (base > 0) & (np.log(u) < 0.5 * z * z + dd * (1 - np.exp(log_v) + log_v))
        result[waiting[accepted]] = np.log(dd[accepted]) + log_v[accepted]
        waiting = waiting[~accepted]
    boost = np.log(np.asarray(open_uniform(rng, (a.size,), "cpu"))) / a
    return Tensor((result + boost).reshape(shape)).to(concentration.device)
