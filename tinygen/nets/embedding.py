"""Sinusoidal embedding of times (Vaswani et al. 2017, section 3.5; Ho et al. 2020, appendix B)."""

import math

import numpy as np

from tinygen.device import constant
from tinygen.ops.joining import concat
from tinygen.ops.trigonometry import cos, sin
from tinygen.tensor import DTypeLike, Tensor, float32


def sinusoidal(t: Tensor, width: int, dtype: DTypeLike = float32, longest: float = 10_000.0) -> Tensor:
    """Sines and cosines of t (N,) at `width` / 2 frequencies from 1 down to 1 / `longest`: (N, width); width even."""
    half = width // 2
    frequencies = np.exp(-math.log(longest) * np.arange(half) / max(half - 1, 1)).astype(dtype)
    angles = t.to(dtype).reshape(-1, 1) * Tensor(constant(frequencies, t.device))
    return concat([sin(angles), cos(angles)], axis=1)
