"""Softmax, log-softmax and cross-entropy on the CPU: row by row in SIMD vectors, while the row is in cache.

Along another axis than the last it is columns side by side (softmax_columns.py). float64 is the definition. NaN, +inf
and rows of -inf alone turn the sum of exponentials, and with it the row, into NaN. Held to the definitions over axes,
strides and row lengths by tests/kernels/test_softmax.py.
"""

import math
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..definitions import softmax as definition
from ..definitions.shapes import check_shape
from .compiled import njit
from .launch import doubles, floats, integer, integers, launch, task
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
from .softmax_columns import (
    log_softmax_backward_columns,
    log_softmax_columns,
    softmax_backward_columns,
    softmax_columns,
)
from .threads import thread_count

Array = np.ndarray
FLOAT, INTP = np.dtype(np.float32), np.dtype(np.intp)

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
    """Arguments: x (rows, size), target, loss, lse (rows,), sums (parts,), of the losses of each part, NaN where a
    class is outside; rows, size."""
    x, target, loss, lse = floats(block, 0), integers(block, 1), floats(block, 2), floats(block, 3)
    sums, rows, size = doubles(block, 4), integer(block, 5), integer(block, 6)
    total = 0.0
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        if 0 <= target[row] < size:
            of_row, lse[row] = _cross_entropy_row(x, row * size, row * size + size, target[row])
            loss[row] = of_row
            total += of_row
        else:
            total = np.nan
    sums[part] = total


@task
def _cross_entropy_backward(block, part, parts):
    """Arguments: g (rows,), x (rows, size), target, lse (rows,), dx (rows, size), outside (1,); rows, size."""
    g, x, target, lse, dx = floats(block, 0), floats(block, 1), integers(block, 2), floats(block, 3), floats(block, 4)
    outside, rows, size = integers(block, 5), integer(block, 6), integer(block, 7)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        if 0 <= target[row] < size:
            _cross_entropy_backward_row(x, dx, row * size, row * size + size, target[row], lse[row], g[row])
        else:
            outside[0] = 1


@lru_cache(maxsize=1024)
def _sizes(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """What is ahead of `axis`, along it, and behind it, if there is more than one."""
    axis = range(len(shape))[axis]
    behind = prod(shape[axis + 1 :])
    return (prod(shape[:axis]), shape[axis], *([behind] if behind > 1 else []))


def _along(of_rows: task, of_columns: task, axis: int, *given: Array) -> Array:
    """What a kernel makes of contiguous arrays of one shape along `axis`: of their rows, or of columns side by side."""
    first = given[0]
    y, sizes = np.empty(first.shape, FLOAT), _sizes(first.shape, axis)
    launch(of_rows if len(sizes) == 2 else of_columns, thread_count(first.size, _SERIAL), *given, y, sizes)
    return y


def _fit(g: Array, y: Array) -> bool:
    """Whether the kernels work on such a pair."""
    return g.dtype == FLOAT == y.dtype and g.shape == y.shape and g.size > 0


def softmax(x: Array, axis: int) -> Array:
    """exp(x) normalised to sum 1 along `axis`; same shape as x."""
    if x.dtype != FLOAT or x.size == 0:
        return definition.softmax(x, axis)
    return _along(_softmax, softmax_columns, axis, _contiguous(x))


def softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of softmax at its output y for the cotangent g."""
    if not _fit(g, y):
        return definition.softmax_backward(g, y, axis)
    return _along(_softmax_backward, softmax_backward_columns, axis, _contiguous(g), _contiguous(y))


def log_softmax(x: Array, axis: int) -> Array:
    """x - log sum exp(x) along `axis`; same shape as x."""
    if x.dtype != FLOAT or x.size == 0:
        return definition.log_softmax(x, axis)
    return _along(_log_softmax, log_softmax_columns, axis, _contiguous(x))


def log_softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of log_softmax at its output y for the cotangent g."""
    if not _fit(g, y):
        return definition.log_softmax_backward(g, y, axis)
    return _along(_log_softmax_backward, log_softmax_backward_columns, axis, _contiguous(g), _contiguous(y))


def cross_entropy(logits: Array, target: Array, share: float | None = None) -> tuple[Array, Array]:
    """-log softmax(logits)[target] of every row, in nats: (loss (N,), log-sum-exp (N,)); or with a `share`, as a loss
    that many times the sum of these, ().

    logits (N, C), target (N,) integers. ValueError names a target outside [0, C).
    """
    if not _usual(logits, target):
        return definition.cross_entropy(logits, target, share)
    parts, shape = thread_count(logits.size, _SERIAL), logits.shape
    loss, lse, sums = np.empty(shape[0], FLOAT), np.empty(shape[0], FLOAT), np.empty(parts)
    launch(_cross_entropy, parts, _contiguous(logits), _indices(target), loss, lse, sums, shape)
    total = sums[0] if parts == 1 else sums.sum()
    if total != total:
        definition.check_targets(logits, target)
    return loss if share is None else np.asarray(total * share, FLOAT), lse


def cross_entropy_backward(g: Array, logits: Array, target: Array, lse: Array) -> Array:
    """Gradient (N, C) of cross_entropy for the cotangent g (N,) of the loss."""
    if not _usual(logits, target):
        return definition.cross_entropy_backward(g, logits, target, lse)
    check_shape("cross_entropy_backward", "g", g, target.shape)
    check_shape("cross_entropy_backward", "lse", lse, target.shape)
    dx, outside = np.empty(logits.shape, FLOAT), np.zeros(1, np.intp)
    arrays = _contiguous(g), _contiguous(logits), _indices(target), _contiguous(lse), dx, outside
    launch(_cross_entropy_backward, thread_count(logits.size, _SERIAL), *arrays, *logits.shape)
    if outside[0]:
        definition.check_targets(logits, target)
    return dx


def _usual(logits: Array, target: Array) -> bool:
    """Whether logits and targets are such as the kernels work on; that no class is outside they see for themselves."""
    shaped = logits.ndim == 2 and target.shape == logits.shape[:1] and target.dtype.kind in "iu"
    return shaped and logits.dtype == FLOAT and logits.size > 0


def _contiguous(x: Array) -> Array:
    return x if x.dtype == FLOAT and x.flags.c_contiguous else np.ascontiguousarray(x, FLOAT)


def _indices(target: Array) -> Array:
    return target if target.dtype is INTP and target.flags.c_contiguous else np.ascontiguousarray(target, INTP)
