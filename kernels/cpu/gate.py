"""The gate on every thread: one sweep over images whose channels lie together in memory, float32.

The same functions as kernels/definitions/gate.py, held to it by tests/kernels/test_gate.py. tanh(a) is
2 sigmoid(2a) - 1, so its error is absolute, 1e-7. float64 is the definition.
"""

from functools import cache

import numpy as np

from ..definitions import gate as definition
from ..definitions.shapes import check_shape
from .compiled import njit
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import FASTMATH, LANES, vfill, vfma, vsigmoid
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 16  # elements worth a thread's waking
_ONE, _TWO = np.float32(1), np.float32(2)


@njit(fastmath=FASTMATH)
def _tanh(a):
    return vfma(vfill(_TWO), vsigmoid(a + a), vfill(-_ONE))


@task
def _gate(block, part, parts):
    """Arguments: x (rows, 2 width), y (rows, width); width."""
    x, y, width = floats(block, 0), floats(block, 1), integer(block, 2)
    rows = y.size // width
    for i in range(rows * part // parts, rows * (part + 1) // parts):
        for j in range(0, width, LANES):
            a = load_vector(x, 2 * i * width + j, width - j, 0)
            b = load_vector(x, (2 * i + 1) * width + j, width - j, 0)
            store_vector(y, i * width + j, width - j, _tanh(a) * vsigmoid(b))


@task
def _gate_backward(block, part, parts):
    """Arguments: g (rows, width), x, y (rows, 2 width); width."""
    g, x, y, width = floats(block, 0), floats(block, 1), floats(block, 2), integer(block, 3)
    rows = g.size // width
    one = vfill(_ONE)
    for i in range(rows * part // parts, rows * (part + 1) // parts):
        for j in range(0, width, LANES):
            at, left = 2 * i * width + j, width - j
            t = _tanh(load_vector(x, at, left, 0))
            s = vsigmoid(load_vector(x, at + width, left, 0))
            gs = load_vector(g, i * width + j, left, 0) * s
            store_vector(y, at, left, gs * (one - t * t))
            store_vector(y, at + width, left, gs * t * (one - s))


@cache
def _orders(ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The order of axes in which the channels come last, and the one in which they come second again."""
    return (0, *range(2, ndim), 1), (0, ndim - 1, *range(1, ndim - 1))


def _channels_last(x: Array) -> Array:
    """x (N, C, ...) with its channels together in memory: a view if they are."""
    return np.ascontiguousarray(x.transpose(_orders(x.ndim)[0]))


def _empty(x: Array, channels: int) -> Array:
    """(N, channels, ...) with the channels together in memory."""
    return np.empty((x.shape[0], *x.shape[2:], channels), np.float32).transpose(_orders(x.ndim)[1])


def gate(x: Array) -> Array:
    """tanh(x[:, :C]) sigmoid(x[:, C:]) for x (N, 2C, ...): (N, C, ...)."""
    if x.dtype != np.float32 or not x.size:
        return definition.gate(x)
    width = x.shape[1] // 2
    y = _empty(x, width)
    launch(_gate, thread_count(x.size, _SERIAL), _channels_last(x), _channels_last(y), width)
    return y


def gate_backward(g: Array, x: Array) -> Array:
    """Gradient of gate at x (N, 2C, ...) for the cotangent g (N, C, ...): (N, 2C, ...)."""
    if not (g.dtype == x.dtype == np.float32) or not x.size:
        return definition.gate_backward(g, x)
    width = x.shape[1] // 2
    check_shape("gate_backward", "g", g, (x.shape[0], width, *x.shape[2:]))
    y = _empty(x, 2 * width)
    arrays = (_channels_last(g), _channels_last(x), _channels_last(y))
    launch(_gate_backward, thread_count(x.size, _SERIAL), *arrays, width)
    return y
