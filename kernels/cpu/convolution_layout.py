"""How the convolutions' arrays lie in memory: the axes they run along, NHWC images, bands of rows with zero borders.

Forward and input gradient of a convolution both fill a grid of *cells*; along an axis, cell q of phase e

    forward          makes output  oh = q          from input rows   q s - p + i d            for every tap i
    input gradient   makes input   ih = q s + e    from output rows  q + (e + p - i d) / s    where that is whole

An `Axis` says this in numbers, for either. Held by tests/kernels/test_convolution.py.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.compiled import njit, routine
from tinygen.kernels.cpu.rows_copied import copy_floats, in_order
from tinygen.kernels.cpu.simd import FASTMATH, LANES, vstore, vzero

Array = NDArray[np.float32]
Pair = tuple[int, int]
Image = tuple[int, int, int]  # height, width, channels
_FLOAT = np.dtype(np.float32)


@dataclass(frozen=True)
class Axis:
    """One axis: cell q of phase e writes pixel q * write + e; a tap of the phase reads q * read + base + offset."""

    cells: int
    read: int
    base: int
    span: int  # pixels from the first to the last that one cell reads
    write: int
    phases: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]  # (taps, their offsets, ascending)


def forward_axis(kernel: int, stride: int, padding: int, dilation: int, out: int) -> Axis:
    """The axis of a convolution with `out` outputs: one phase."""
    taps = tuple(range(kernel))
    offsets = tuple(i * dilation for i in taps)
    return Axis(out, stride, -padding, offsets[-1] + 1, 1, ((taps, offsets),))


def adjoint_axis(kernel: int, stride: int, padding: int, dilation: int, size: int) -> Axis:
    """The axis of the gradient of an image of `size` pixels: as many phases as the stride."""
    base = (padding - (kernel - 1) * dilation) // stride
    span = (stride - 1 + padding) // stride - base + 1
    phases = []
    for e in range(stride):
        taps = tuple(i for i in reversed(range(kernel)) if (e + padding - i * dilation) % stride == 0)
        phases.append((taps, tuple((e + padding - i * dilation) // stride - base for i in taps)))
    return Axis(-(-size // stride), 1, base, span, stride, tuple(phases))


# ---- images


@njit(fastmath=FASTMATH)
def zero_floats(buffer, start, count):
    """buffer[start : start + count] = 0."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        vstore(buffer, start + i, vzero())
    for i in range(whole, count):
        buffer[start + i] = np.float32(0)


@routine("f n n n n f n n n n n", FASTMATH)
def copy_band(x, image, height, width, channels, buffer, to, top, rows, left, row):
    """Rows top, ..., top + rows - 1 of an image, columns left, ..., left + row - 1; zero outside the image."""
    first, last = max(left, 0), min(left + row, width)
    for r in range(rows):
        there = to + r * row * channels
        h = top + r
        if h < 0 or h >= height or last <= first:
            zero_floats(buffer, there, row * channels)
        else:
            zero_floats(buffer, there, (first - left) * channels)
            here = ((image * height + h) * width + first) * channels
            copy_floats(x, here, buffer, there + (first - left) * channels, (last - first) * channels)
            zero_floats(buffer, there + (last - left) * channels, (left + row - last) * channels)


def nhwc(x: NDArray[Any]) -> Array:
    """The image (N, C, H, W) as contiguous float32 (N, H, W, C): itself where it is so in memory, else a copy."""
    view = x.transpose(0, 2, 3, 1)
    return view if view.flags.c_contiguous and x.dtype == _FLOAT else in_order(view.astype(_FLOAT, copy=False))
