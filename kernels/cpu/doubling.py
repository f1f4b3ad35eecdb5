"""Taps of 3 x 3 in float32 doubled, and the adjoint, on every thread; all others are the definition's.

Held to kernels/definitions/doubling.py by tests/kernels/test_doubling.py.
"""

import numpy as np

from ..definitions import doubling as definition
from .launch import floats, integer, launch, task
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 12  # filters worth a thread's waking


@task
def _double(block, part, parts):
    """Arguments: w (K, C, 3, 3), v (C, K, 4, 4); K, C."""
    w, v = floats(block, 0), floats(block, 1)
    out, channels = integer(block, 2), integer(block, 3)
    for c in range(channels * part // parts, channels * (part + 1) // parts):
        for k in range(out):
            at, to = (k * channels + c) * 9, (c * out + k) * 16
            for i in range(4):  # sums down, then across
                upper, lower = at + 3 * max(2 - i, 0), at + 3 * min(3 - i, 2)
                left, middle, right = w[upper], w[upper + 1], w[upper + 2]
                if upper != lower:
                    left, middle, right = left + w[lower], middle + w[lower + 1], right + w[lower + 2]
                v[to + 4 * i] = right
                v[to + 4 * i + 1] = right + middle
                v[to + 4 * i + 2] = middle + left
                v[to + 4 * i + 3] = left


@task
def _undouble(block, part, parts):
    """Arguments: v (C, K, 4, 4), w (K, C, 3, 3); K, C."""
    v, w = floats(block, 0), floats(block, 1)
    out, channels = integer(block, 2), integer(block, 3)
    for c in range(channels * part // parts, channels * (part + 1) // parts):
        for k in range(out):
            at, to = (c * out + k) * 16, (k * channels + c) * 9
            for i in range(3):
                row = at + 4 * i
                first, second = v[row] + v[row + 4], v[row + 1] + v[row + 5]
                third, fourth = v[row + 2] + v[row + 6], v[row + 3] + v[row + 7]
                w[to + 3 * (2 - i)] = third + fourth
                w[to + 3 * (2 - i) + 1] = second + third
                w[to + 3 * (2 - i) + 2] = first + second


def _run(work: task, x: Array, shape: tuple[int, ...], filters: tuple[int, int]) -> Array:
    y = np.empty(shape, np.float32)
    threads = min(filters[1], thread_count(filters[0] * filters[1], _SERIAL))
    launch(work, threads, np.ascontiguousarray(x), y, *filters)
    return y


def double_taps(w: Array) -> Array:
    """v (C, K, KH + 1, KW + 1) for w (K, C, KH, KW); see the definition."""
    out, channels, *kernel = w.shape
    if w.dtype != np.float32 or kernel != [3, 3]:
        return definition.double_taps(w)
    return _run(_double, w, (channels, out, 4, 4), (out, channels))


def undouble_taps(v: Array) -> Array:
    """The adjoint: (K, C, KH, KW) for v (C, K, KH + 1, KW + 1); see the definition."""
    channels, out, *kernel = v.shape
    if v.dtype != np.float32 or kernel != [4, 4]:
        return definition.undouble_taps(v)
    return _run(_undouble, v, (out, channels, 3, 3), (out, channels))
