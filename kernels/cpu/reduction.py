"""Sums of large float32 arrays over the axes that come first in memory, on every thread; NumPy's are on one.

The array is seen as a matrix whose rows are added up, a block of rows at a time; the sums of the blocks are added in
float64. Other axes, dtypes and reductions are the definition's. Held by tests/kernels/test_reduction.py.
"""

import math

import numpy as np

from ..definitions import reduction as definition
from ..definitions.arithmetic import LARGE
from ..definitions.reduction import Axes, reduce_max, reduce_min, sum_of_squares
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import LANES, vload, vstore, vzero
from .threads import thread_count

__all__ = ["reduce_max", "reduce_min", "reduce_sum", "sum_of_squares"]

Array = np.ndarray

_ROWS = 128  # added in float32
_WIDE = 4 * LANES  # columns taken together; where there are fewer, some rows stand side by side
_LONG = 1024  # columns from which on NumPy, which adds row to row, is as fast


@task
def _sum_blocks(block, part, parts):
    """Arguments: x (rows, columns), sums (blocks, columns); rows, columns."""
    x, sums, rows, columns = floats(block, 0), floats(block, 1), integer(block, 2), integer(block, 3)
    blocks = -(-rows // _ROWS)
    for b in range(blocks * part // parts, blocks * (part + 1) // parts):
        first, stop = b * _ROWS, min((b + 1) * _ROWS, rows)
        wide = columns // _WIDE * _WIDE
        for j in range(0, wide, _WIDE):
            s0, s1, s2, s3 = vzero(), vzero(), vzero(), vzero()
            for r in range(first, stop):
                at = r * columns + j
                s0 = s0 + vload(x, at)
                s1 = s1 + vload(x, at + LANES)
                s2 = s2 + vload(x, at + 2 * LANES)
                s3 = s3 + vload(x, at + 3 * LANES)
            to = b * columns + j
            vstore(sums, to, s0)
            vstore(sums, to + LANES, s1)
            vstore(sums, to + 2 * LANES, s2)
            vstore(sums, to + 3 * LANES, s3)
        for j in range(wide, columns, LANES):
            left = columns - j
            total = vzero()
            for r in range(first, stop):
                total = total + load_vector(x, r * columns + j, left, 0)
            store_vector(sums, b * columns + j, left, total)


def _sum_rows(x: Array) -> Array:
    """The sum of a contiguous float32 matrix over its rows, in float64."""
    rows, columns = x.shape
    beside = max(1, min(_WIDE // columns, rows))
    whole = rows // beside
    if whole:
        sums = np.empty((-(-whole // _ROWS), beside * columns), np.float32)
        matrix = x[: whole * beside].reshape(-1)
        launch(_sum_blocks, thread_count(x.size, LARGE // 2), matrix, sums.reshape(-1), whole, beside * columns)
    total = sums.sum(axis=0, dtype=np.float64).reshape(beside, columns).sum(axis=0)
    return total + x[whole * beside :].sum(axis=0, dtype=np.float64)


def reduce_sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, a tuple of non-negative axes (None: all)."""
    if x.size < LARGE or x.dtype != np.float32:
        return definition.reduce_sum(x, axis, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis
    order = sorted(range(x.ndim), key=lambda i: -x.strides[i])
    view, kept = x.transpose(order), order[len(axes) :]
    if set(order[: len(axes)]) != set(axes) or not view.flags.c_contiguous:
        return definition.reduce_sum(x, axis, keepdims)
    sizes = [x.shape[i] for i in kept]
    if math.prod(sizes) > _LONG:
        return definition.reduce_sum(x, axis, keepdims)
    total = _sum_rows(view.reshape(-1, math.prod(sizes))).astype(np.float32).reshape(sizes)
    total = total.transpose(np.argsort(kept)) if kept else total
    return np.expand_dims(total, axes) if keepdims else total
