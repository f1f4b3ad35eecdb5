"""Rows of matrices added up on every thread: a block of rows in float32, the blocks in float64.

Held by tests/kernels/test_reduction.py.
"""

import numpy as np

from ..definitions.arithmetic import LARGE
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import LANES, vload, vstore, vzero
from .threads import thread_count

Array = np.ndarray

_ROWS = 128  # added in float32
_WIDE = 4 * LANES  # columns taken together; where there are fewer, some rows stand side by side


@task
def _sum_blocks(block, part, parts):
    """Arguments: x (matrices, rows, columns), sums (matrices, blocks, columns); matrices, rows, columns."""
    x, sums = floats(block, 0), floats(block, 1)
    matrices, rows, columns = integer(block, 2), integer(block, 3), integer(block, 4)
    blocks = -(-rows // _ROWS)
    for b in range(matrices * blocks * part // parts, matrices * blocks * (part + 1) // parts):
        start = b // blocks * rows
        first, stop = start + b % blocks * _ROWS, start + min((b % blocks + 1) * _ROWS, rows)
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


def block_sums(x: Array) -> Array:
    """The sums of a contiguous float32 array (matrices, rows, columns) over its rows, in float64."""
    matrices, rows, columns = x.shape
    sums = np.empty((matrices, -(-rows // _ROWS), columns), np.float32)
    launch(_sum_blocks, thread_count(x.size, LARGE // 2), x.reshape(-1), sums.reshape(-1), matrices, rows, columns)
    return sums.sum(axis=1, dtype=np.float64)


def sum_rows(x: Array) -> Array:
    """The sum of a contiguous float32 matrix over its rows, in float64."""
    rows, columns = x.shape
    beside = max(1, min(_WIDE // columns, rows))
    whole = rows // beside
    total = block_sums(x[: whole * beside].reshape(1, whole, beside * columns))
    return total.reshape(beside, columns).sum(axis=0) + x[whole * beside :].sum(axis=0, dtype=np.float64)
