"""The gate of WaveNet and the gated PixelCNN on a CUDA device: see gate.cu. Images lie in it with the channels last."""

from typing import Any

from .launch import THREADS, ceil_div, cupy, launch
from .layout import channels_last

Array = Any


def _launch(name: str, x: Array, others: tuple[Array, ...], channels: int) -> Array:
    """The kernel over `others` and x, one thread for each pair of numbers: a new array (N, channels, ...)."""
    device, width = cupy(), x.shape[1] // 2
    y = device.empty((x.shape[0], *x.shape[2:], channels), x.dtype)
    inputs = [channels_last(a, x.dtype) for a in (*others, x)]
    pairs = x.size // 2
    launch(f"gate/{name}", x.dtype, ceil_div(pairs, THREADS), THREADS, *inputs, y, pairs, width)
    return device.moveaxis(y, -1, 1)


def gate(x: Array) -> Array:
    """tanh(x[:, :C]) sigmoid(x[:, C:]) for x (N, 2C, ...): (N, C, ...)."""
    return _launch("gate", x, (), x.shape[1] // 2)


def gate_backward(g: Array, x: Array) -> Array:
    """Gradient of gate at x (N, 2C, ...) for the cotangent g (N, C, ...): (N, 2C, ...)."""
    return _launch("gate_backward", x, (g,), x.shape[1])
