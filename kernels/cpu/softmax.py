"""Softmax, log-softmax and cross-entropy on the CPU: row by row in SIMD vectors, while the row is in cache.

Another axis than the last in memory is brought there by a copy. float64 is the definition. NaN, +inf and rows
of -inf alone turn the sum of exponentials, and with it the row, into NaN. Held to the definitions over
axes, strides and row lengths by tests/kernels/test_softmax.py.
"""

import math
from typing import Any

import numpy as np

from ..definitions import softmax as definition
from ..definitions.shapes import check_shape
from .compiled import njit
from .launch import floats, integer, integers, launch, task
from .packing import load_vector, store_vector
from .simd import (
    FASTMATH,
    LANES,
    vexp,
    vfill,
    vfma,
    vmax,
    vmax_lane,
    vsum,
    vzero,
)
from .threads import thread_count

Array = np.ndarray

# No leave to reassociate: (x - m) - log_sum must not become x - (m + log_sum).
_OPTIONS: Any = {"fastmath": FASTMATH - {"reassoc"}}
_SERIAL = 1 << 16  # elements worth a thread's waking
_MINUS_INFINITY = np.float32(-np.inf)


@njit(**_OPTIONS)
def _greatest(x, start, stop):
    a = vfill(_MINUS_INFINITY)
    b = a
    for i in range(start, stop, 2 * LANES):
        a = vmax(a, load_vector(x, i, stop - i, _MINUS_INFINITY))
        if i + LANES < stop:
            b = vmax(b, load_vector(x, i + LANES, stop - (i + LANES), _MINUS_INFINITY))
    return vmax_lane(vmax(a, b))


@njit(**_OPTIONS)
def _sum_of_exponentials(x, start, stop, shift):
    total, m = vzero(), vfill(shift)
    for i in range(start, stop, LANES):
        total = total + vexp(load_vector(x, i, stop - i, _MINUS_INFINITY) - m)
    return vsum(total)


@njit(**_OPTIONS)
def _softmax_row(x, y, start, stop):
    m, total = vfill(_greatest(x, start, stop)), vzero()
    for i in range(start, stop, LANES):
        e = vexp(load_vector(x, i, stop - i, _MINUS_INFINITY) - m)
        store_vector(y, i, stop - i, e)
        total = total + e
    scale = vfill(np.float32(1) / vsum(total))
    for i in range(start, stop, LANES):
        store_vector(y, i, stop - i, load_vector(y, i, stop - i, 0) * scale)


@njit(**_OPTIONS)
def _softmax_backward_row(g, y, dx, start, stop):
    total = vzero()
    for i in range(start, stop, LANES):
        total = vfma(load_vector(g, i, stop - i, 0), load_vector(y, i, stop - i, 0), total)
    mean = vfill(vsum(total))
    for i in range(start, stop, LANES):
        store_vector(dx, i, stop - i, load_vector(y, i, stop - i, 0) * (load_vector(g, i, stop - i, 0) - mean))


@njit(**_OPTIONS)
def _log_softmax_row(x, y, start, stop):
    m = _greatest(x, start, stop)
    shift, log_sum = vfill(m), vfill(math.log(_sum_of_exponentials(x, start, stop, m)))
    for i in range(start, stop, LANES):
        store_vector(y, i, stop - i, (load_vector(x, i, stop - i, 0) - shift) - log_sum)


@njit(**_OPTIONS)
def _log_softmax_backward_row(g, y, dx, start, stop):
    total = vzero()
    for i in range(start, stop, LANES):
        total = total + load_vector(g, i, stop - i, 0)
    sum_g = vfill(-vsum(total))
    for i in range(start, stop, LANES):
        store_vector(dx, i, stop - i, vfma(sum_g, vexp(load_vector(y, i, stop - i, 0)), load_vector(g, i, stop - i, 0)))


@njit(**_OPTIONS)
def _cross_entropy_row(x, start, stop, target):
    """The loss and the log-sum-exp of one row."""
    m = _greatest(x, start, stop)
    log_sum = math.log(np.float64(_sum_of_exponentials(x, start, stop, m)))
    return log_sum - (x[start + target] - m), m + log_sum


@njit(**_OPTIONS)
def _cross_entropy_backward_row(x, dx, start, stop, target, lse, g):
    shift, scale = vfill(lse), vfill(g)
    for i in range(start, stop, LANES):
        store_vector(dx, i, stop - i, scale * vexp(load_vector(x, i, stop - i, 0) - shift))
    dx[start + target] -= g


@task
def _softmax(block, part, parts):
    """Arguments: x, y (rows, size); rows, size."""
    x, y, rows, size = floats(block, 0), floats(block, 1), integer(block, 2), integer(block, 3)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        _softmax_row(x, y, row * size, row * size + size)


@task
def _log_softmax(block, part, parts):
    """Arguments: x, y (rows, size); rows, size."""
    x, y, rows, size = floats(block, 0), floats(block, 1), integer(block, 2), integer(block, 3)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        _log_softmax_row(x, y, row * size, row * size + size)


@task
def _softmax_backward(block, part, parts):
    """Arguments: g, y, dx (rows, size); rows, size."""
    g, y, dx, rows, size = floats(block, 0), floats(block, 1), floats(block, 2), integer(block, 3), integer(block, 4)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        _softmax_backward_row(g, y, dx, row * size, row * size + size)


@task
def _log_softmax_backward(block, part, parts):
    """Arguments: g, y, dx (rows, size); rows, size."""
    g, y, dx, rows, size = floats(block, 0), floats(block, 1), floats(block, 2), integer(block, 3), integer(block, 4)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        _log_softmax_backward_row(g, y, dx, row * size, row * size + size)


@task
def _cross_entropy(block, part, parts):
    """Arguments: x (rows, size), target, loss, lse (rows,); rows, size."""
    x, target, loss, lse = floats(block, 0), integers(block, 1), floats(block, 2), floats(block, 3)
    rows, size = integer(block, 4), integer(block, 5)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        loss[row], lse[row] = _cross_entropy_row(x, row * size, row * size + size, target[row])


@task
def _cross_entropy_backward(block, part, parts):
    """Arguments: g (rows,), x (rows, size), target, lse (rows,), dx (rows, size); rows, size."""
    g, x, target, lse, dx = floats(block, 0), floats(block, 1), integers(block, 2), floats(block, 3), floats(block, 4)
    rows, size = integer(block, 5), integer(block, 6)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        _cross_entropy_backward_row(x, dx, row * size, row * size + size, target[row], lse[row], g[row])


def _launch_rows(kernel: task, shape: tuple[int, ...], *arrays: Array) -> None:
    rows, size = shape
    launch(kernel, min(thread_count(rows * size, _SERIAL), rows), *arrays, rows, size)


def _along(kernel: task, axis: int, *arrays: Array) -> Array:
    """The kernel over the rows of the arrays along `axis`; its result, moved back to `axis`."""
    last = axis in (-1, arrays[0].ndim - 1)
    sources = [np.ascontiguousarray(a if last else np.moveaxis(a, axis, -1), np.float32) for a in arrays]
    y = np.empty_like(sources[0])
    size = y.shape[-1]
    _launch_rows(kernel, (y.size // size, size), *sources, y)
    return y if last else np.moveaxis(y, -1, axis)


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
    _launch_rows(_cross_entropy, logits.shape, np.ascontiguousarray(logits), _indices(target), loss, lse)
    return loss, lse


def cross_entropy_backward(g: Array, logits: Array, target: Array, lse: Array) -> Array:
    """Gradient (N, C) of cross_entropy for the cotangent g (N,) of the loss."""
    if logits.dtype != np.float32 or logits.size == 0:
        return definition.cross_entropy_backward(g, logits, target, lse)
    definition.check_targets(logits, target)
    check_shape("cross_entropy_backward", "g", g, target.shape)
    check_shape("cross_entropy_backward", "lse", lse, target.shape)
    x = np.ascontiguousarray(logits)
    dx = np.empty_like(x)
    g, lse = np.ascontiguousarray(g, np.float32), np.ascontiguousarray(lse, np.float32)
    _launch_rows(_cross_entropy_backward, x.shape, g, x, _indices(target), lse, dx)
    return dx


def _indices(target: Array) -> Array:
    return np.ascontiguousarray(target, np.intp)
