"""Sums over windows and their adjoint in one form: every pixel is the sum over a rectangle of the other images.

    sum_windows      window oh sums the rows          oh s - p, ..., oh s - p + k - 1 that exist
    spread_windows   row h sums the windows that see it: oh s <= h + p < oh s + k

and so along the columns. One sweep over large float32 images that are NHWC in memory; all else is the definition.
Held to it by tests/kernels/test_pooling.py.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..definitions import pooling as definition
from ..definitions.arithmetic import LARGE
from ..definitions.pooling import Pair
from .convolution_layout import copy_floats
from .launch import floats, integer, integers, launch, task
from .packing import load_vector, store_vector
from .simd import LANES, vzero
from .threads import thread_count

Array = NDArray[Any]
_ZERO = np.float32(0)


@task
def _sum_rectangles(block, part, parts):
    """Arguments: x, y; from and to of the rows, of the columns of each pixel of y; height and width of x, channels."""
    x, y, rows, columns = floats(block, 0), floats(block, 1), integers(block, 2), integers(block, 3)
    height, width, channels = integer(block, 4), integer(block, 5), integer(block, 6)
    high, wide = rows.size // 2, columns.size // 2
    lines = y.size // (wide * channels)
    for line in range(lines * part // parts, lines * (part + 1) // parts):
        image, h = line // high * height, line % high
        r0, r1 = rows[2 * h], rows[2 * h + 1]
        for w in range(wide):
            v0, v1 = columns[2 * w], columns[2 * w + 1]
            to = (line * wide + w) * channels
            if r1 - r0 == 1 and v1 - v0 == 1:
                copy_floats(x, ((image + r0) * width + v0) * channels, y, to, channels)
            else:
                for c in range(0, channels, LANES):
                    total = vzero()
                    for r in range(r0, r1):
                        for v in range(v0, v1):
                            at = ((image + r) * width + v) * channels + c
                            total = total + load_vector(x, at, channels - c, _ZERO)
                    store_vector(y, to + c, channels - c, total)


@lru_cache(maxsize=256)
def _windows(size: int, windows: int, kernel: int, stride: int, padding: int) -> NDArray[np.intp]:
    """From and to, of the pixels of each window along an axis of `size`."""
    start = np.arange(windows) * stride - padding
    return np.stack([np.maximum(start, 0), np.minimum(start + kernel, size)], axis=1).reshape(-1)


@lru_cache(maxsize=256)
def _seen_by(size: int, windows: int, kernel: int, stride: int, padding: int) -> NDArray[np.intp]:
    """From and to, of the windows that see each pixel of an axis of `size`."""
    place = np.arange(size) + padding
    first = np.maximum(-(-(place - kernel + 1) // stride), 0)
    last = np.minimum(place // stride, windows - 1)
    return np.stack([first, np.maximum(last + 1, first)], axis=1).reshape(-1)


def _suits(x: Array, entries: int) -> bool:
    large = entries >= LARGE and x.size > 0
    return large and x.dtype == np.float32 and x.transpose(0, 2, 3, 1).flags.c_contiguous


def _summed(x: Array, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
    n, channels, height, width = x.shape
    y = np.empty((n, rows.size // 2, columns.size // 2, channels), np.float32)
    flat = x.transpose(0, 2, 3, 1).reshape(-1)
    launch(_sum_rectangles, thread_count(x.size + y.size, LARGE), flat, y, rows, columns, height, width, channels)
    return y.transpose(0, 3, 1, 2)


def sum_windows(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """The sum of every window of images (N, C, H, W); see the definition."""
    size = definition.windows(x.shape[2:], kernel, stride, padding)
    if not _suits(x, x.size):
        return definition.sum_windows(x, kernel, stride, padding)
    return _summed(x, *(_windows(*axis) for axis in zip(x.shape[2:], size, kernel, stride, padding)))


def spread_windows(g: Array, size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """Each entry of g (N, C, OH, OW) added at every place of its window; see the definition."""
    if not _suits(g, g.shape[0] * g.shape[1] * size[0] * size[1]):
        return definition.spread_windows(g, size, kernel, stride, padding)
    return _summed(g, *(_seen_by(*axis) for axis in zip(size, g.shape[2:], kernel, stride, padding)))
