"""Softmax, log-softmax and cross-entropy on the CPU: row by row in SIMD vectors, while the row is in cache.

Another axis than the last in memory is brought there by a copy. float64 is the definition. NaN, +inf and rows
of -inf alone turn the sum of exponentials, and with it the row, into NaN. Held to the definitions over
axes, strides and row lengths by tests/kernels/test_softmax.py.
"""

import math
from typing import Any

import numba
import numpy as np

from ..definitions import softmax as definition
from .simd import (
    FASTMATH,
    LANES,
    vexp,
    vfill,
    vfma,
    vload,
    vload_first,
    vmax,
    vmax_lane,
    vstore,
    vstore_first,
    vsum,
    vzero,
)
from .threads import thread_count

Array = np.ndarray
njit: Any = numba.njit
prange: Any = numba.prange

# As simd.FASTMATH without leave to reassociate: (x - m) - log_sum must not become x - (m + log_sum).
_FLAGS = FASTMATH - {"reassoc"}

_SERIAL = 16384  # elements below which a second thread costs more than it saves
_MINUS_INFINITY = np.float32(-np.inf)


@njit(fastmath=_FLAGS, cache=True)
def _load(x, i, stop, fill):
    """The vector at x[i:], lanes from `stop` on equal to `fill`."""
    return vload(x, i) if i + LANES <= stop else vload_first(x, i, stop - i, fill)


@njit(fastmath=_FLAGS, cache=True)
def _store(x, i, stop, v):
    if i + LANES <= stop:
        vstore(x, i, v)
    else:
        vstore_first(x, i, v, stop - i)


@njit(fastmath=_FLAGS, cache=True)
def _greatest(x, start, stop):
    a = vfill(_MINUS_INFINITY)
    b = a
    for i in range(start, stop, 2 * LANES):
        a = vmax(a, _load(x, i, stop, _MINUS_INFINITY))
        if i + LANES < stop:
            b = vmax(b, _load(x, i + LANES, stop, _MINUS_INFINITY))
    return vmax_lane(vmax(a, b))


@njit(fastmath=_FLAGS, cache=True)
def _sum_of_exponentials(x, start, stop, shift):
    total, m = vzero(), vfill(shift)
    for i in range(start, stop, LANES):
        total = total + vexp(_load(x, i, stop, _MINUS_INFINITY) - m)
    return vsum(total)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def _softmax(x, y, parts):
    rows, size = x.shape
    for part in prange(parts):
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            start, stop = row * size, row * size + size
            m = vfill(_greatest(x, start, stop))
            total = vzero()
            for i in range(start, stop, LANES):
                e = vexp(_load(x, i, stop, _MINUS_INFINITY) - m)
                _store(y, i, stop, e)
                total = total + e
            scale = vfill(np.float32(1) / vsum(total))
            for i in range(start, stop, LANES):
                _store(y, i, stop, _load(y, i, stop, 0) * scale)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def _softmax_backward(g, y, dx, parts):
    rows, size = y.shape
    for part in prange(parts):
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            start, stop = row * size, row * size + size
            total = vzero()
            for i in range(start, stop, LANES):
                total = vfma(_load(g, i, stop, 0), _load(y, i, stop, 0), total)
            mean = vfill(vsum(total))
            for i in range(start, stop, LANES):
                _store(dx, i, stop, _load(y, i, stop, 0) * (_load(g, i, stop, 0) - mean))


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def _log_softmax(x, y, parts):
    rows, size = x.shape
    for part in prange(parts):
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            start, stop = row * size, row * size + size
            m = _greatest(x, start, stop)
            log_sum = vfill(math.log(_sum_of_exponentials(x, start, stop, m)))
            for i in range(start, stop, LANES):
                _store(y, i, stop, (_load(x, i, stop, 0) - vfill(m)) - log_sum)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def _log_softmax_backward(g, y, dx, parts):
    rows, size = y.shape
    for part in prange(parts):
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            start, stop = row * size, row * size + size
            total = vzero()
            for i in range(start, stop, LANES):
                total = total + _load(g, i, stop, 0)
            sum_g = vfill(-vsum(total))
            for i in range(start, stop, LANES):
                _store(dx, i, stop, vfma(sum_g, vexp(_load(y, i, stop, 0)), _load(g, i, stop, 0)))


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def _cross_entropy(x, target, loss, lse, parts):
    rows, size = x.shape
    for part in prange(parts):
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            m = _greatest(x, row * size, row * size + size)
            log_sum = math.log(np.float64(_sum_of_exponentials(x, row * size, row * size + size, m)))
            lse[row] = m + log_sum
            loss[row] = log_sum - (x[row, target[row]] - m)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def _cross_entropy_backward(g, x, target, lse, dx, parts):
    rows, size = x.shape
    for part in prange(parts):
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            start, stop = row * size, row * size + size
            shift, scale = vfill(lse[row]), vfill(g[row])
            for i in range(start, stop, LANES):
                _store(dx, i, stop, scale * vexp(_load(x, i, stop, 0) - shift))
            dx[row, target[row]] -= g[row]


def _rows(x: Array, axis: int) -> Array:
    """x as contiguous rows (-1, size) along `axis`."""
    moved = np.ascontiguousarray(np.moveaxis(x, axis, -1), np.float32)
    return moved.reshape(-1, x.shape[axis])


def _along(kernel: Any, axis: int, *arrays: Array) -> Array:
    """kernel(*rows of the arrays, rows of the result, parts), the result's rows moved back to `axis`."""
    rows = [_rows(a, axis) for a in arrays]
    y = np.empty_like(rows[0])
    kernel(*rows, y, thread_count(y.size, _SERIAL))
    return np.moveaxis(y.reshape(np.moveaxis(arrays[0], axis, -1).shape), -1, axis)


def softmax(x: Array, axis: int) -> Array:
    """exp(x) normalised to sum 1 along `axis`; same shape as x."""
    if x.dtype != np.float32 or x.size == 0:
        return definition.softmax(x, axis)
    return _along(_softmax, axis, x)


def softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of softmax at its output y for the cotangent g."""
    if g.dtype != np.float32 or g.size == 0 or g.shape != y.shape:
        return definition.softmax_backward(g, y, axis)
    return _along(_softmax_backward, axis, g, y)


def log_softmax(x: Array, axis: int) -> Array:
    """x - log sum exp(x) along `axis`; same shape as x."""
    if x.dtype != np.float32 or x.size == 0:
        return definition.log_softmax(x, axis)
    return _along(_log_softmax, axis, x)


def log_softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of log_softmax at its output y for the cotangent g."""
    if g.dtype != np.float32 or g.size == 0 or g.shape != y.shape:
        return definition.log_softmax_backward(g, y, axis)
    return _along(_log_softmax_backward, axis, g, y)


def cross_entropy(logits: Array, target: Array) -> tuple[Array, Array]:
    """-log softmax(logits)[target] of every row, in nats: (loss (N,), log-sum-exp (N,)).

    logits (N, C), target (N,) integers. ValueError names a target outside [0, C).
    """
    if logits.dtype != np.float32 or logits.size == 0:
        return definition.cross_entropy(logits, target)
    definition.check_targets(logits, target)
    loss, lse = np.empty(len(target), np.float32), np.empty(len(target), np.float32)
    _cross_entropy(np.ascontiguousarray(logits), _indices(target), loss, lse, thread_count(logits.size, _SERIAL))
    return loss, lse


def cross_entropy_backward(g: Array, logits: Array, target: Array, lse: Array) -> Array:
    """Gradient (N, C) of cross_entropy for the cotangent g (N,) of the loss."""
    if logits.dtype != np.float32 or logits.size == 0:
        return definition.cross_entropy_backward(g, logits, target, lse)
    definition.check_targets(logits, target)
    x = np.ascontiguousarray(logits)
    dx = np.empty_like(x)
    g, lse = np.ascontiguousarray(g, np.float32), np.ascontiguousarray(lse, np.float32)
    _cross_entropy_backward(g, x, _indices(target), lse, dx, thread_count(logits.size, _SERIAL))
    return dx


def _indices(target: Array) -> Array:
    return np.ascontiguousarray(target, np.int64)
