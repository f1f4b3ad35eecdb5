"""Densities for integers: uniform dequantisation and bits per dimension (Theis et al. 2016, section 3.1).

An image of D integers k in 0 .. levels - 1 becomes x = (k + u) / levels, u uniform on [0, 1)^D. A density p on [0, 1]^D
is a law of images, P(k) = integral of p over the cell of k, and by Jensen's inequality

    -log2 P(k) / D  <=  E_u[-log2 p(x)] / D + log2 levels

with equality where p is constant in each cell. Held by tinygen.checks.flow (36).
"""

import math
from typing import Any

import numpy as np

from tinygen.device import device_of
from tinygen.kernels.array_module import xp
from tinygen.random import Generator
from tinygen.tensor import Tensor


def to_integers(images: Any, levels: int) -> Any:
    """Images in [-1, 1], an array as data sets give them, as the integers 0 .. levels - 1 that they were stored as."""
    return xp(images).rint((images.astype(np.float64, copy=False) + 1.0) * (0.5 * (levels - 1)))


def from_unit(x: Any, levels: int) -> np.ndarray:
    """The images in [-1, 1] whose cells hold x (N, ...); what is outside [0, 1] goes into the nearest cell."""
    k = np.clip(np.floor(np.asarray(x) * levels), 0, levels - 1)
    return (k * (2.0 / (levels - 1)) - 1.0).astype(np.float32)


def dequantise(k: Any, levels: int, rng: Generator, dtype: Any = np.float32) -> Tensor:
    """x = (k + u) / levels for integers k (N, ...), an array, u fresh uniform noise: (N, ...) in [0, 1]."""
    u = rng.uniform(k.shape, np.float64, device_of(k))._data
    return Tensor(((k + u) / levels).astype(dtype))


def bits_per_dimension(log_density: Tensor, dimensions: int, levels: int) -> Tensor:
    """-log2 of the cell's probability per dimension, from log p(x) in nats on [0, 1]^D: (N,) to (N,)."""
    return log_density * (-1.0 / (dimensions * math.log(2.0))) + math.log2(levels)
