"""Sinusoidal embedding of times (Vaswani et al. 2017, section 3.5; Ho et al. 2020, appendix B)."""

import math

import numpy as np

from tinygen.ops.creation import zeros
from tinygen.ops.elementwise import cos, sin
from tinygen.ops.manipulation import concat
from tinygen.tensor import Tensor


def sinusoidal(t: Tensor, width: int, longest: float = 10_000.0) -> Tensor:
    """Sines and cosines of t (N,) at `width` / 2 frequencies from 1 down to 1 / `longest`: (N, width), float32."""
    half = width // 2
    frequencies = np.exp(-math.log(longest) * np.arange(half) / max(half - 1, 1)).astype(np.float32)
    angles = t.to("float32").reshape(-1, 1) * Tensor(frequencies).to(t.device).reshape(1, -1)
    parts = [sin(angles), cos(angles)]
    if width % 2:
        parts.append(zeros(len(t), 1, device=t.device))
    return concat(parts, axis=1)
