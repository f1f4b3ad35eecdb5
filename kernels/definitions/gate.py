"""The gate of WaveNet and the gated PixelCNN, tanh(a) sigmoid(b), a and b the halves of the channels: in NumPy.

van den Oord et al. 2016, "Conditional image generation with PixelCNN decoders", eq. 1. Held by
tests/kernels/test_gate.py.
"""

from typing import Any

from ..array_module import rounded_once, xp
from .elementwise import sigmoid

Array = Any


@rounded_once
def gate(x: Array) -> Array:
    """tanh(x[:, :C]) sigmoid(x[:, C:]) for x (N, 2C, ...): (N, C, ...)."""
    half = x.shape[1] // 2
    return xp(x).tanh(x[:, :half]) * sigmoid(x[:, half:])


@rounded_once
def gate_backward(g: Array, x: Array) -> Array:
    """Gradient of gate at x (N, 2C, ...) for the cotangent g (N, C, ...): (N, 2C, ...)."""
    half = x.shape[1] // 2
    t, s = xp(x).tanh(x[:, :half]), sigmoid(x[:, half:])
    return xp(x).concatenate([g * s * (1 - t * t), g * t * s * (1 - s)], axis=1)
