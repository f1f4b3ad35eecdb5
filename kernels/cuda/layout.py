"""How images lie in memory: with their channels last, for the kernels that read pixel by pixel. See layout.cu."""

from math import prod
from typing import Any

from .launch import ceil_div, cupy, launch

Array = Any


def channels_last(x: Array, dtype: Any) -> Array:
    """x (N, C, ...) as (N, ..., C) of `dtype`, in one piece: x itself where it lies so, else a copy."""
    device = cupy()
    last = device.moveaxis(x, 1, -1)
    if x.dtype != dtype or last.flags.c_contiguous or not x.flags.c_contiguous:
        return device.ascontiguousarray(last, dtype=dtype)
    y = device.empty(last.shape, dtype)
    channels, pixels = x.shape[1], prod(x.shape[2:])
    blocks = len(x) * ceil_div(channels, 32) * ceil_div(pixels, 32)
    launch("layout/transpose", dtype, blocks, (32, 8), x, y, channels, pixels)
    return y
