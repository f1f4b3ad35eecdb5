"""Rows of matrices added up on every thread: a block of rows in float32, the blocks in float64.

Held by tests/kernels/test_reduction.py.
"""

import numpy as np

from ..definitions.arithmetic import LARGE
from .launch import doubles, floats, integer, launch, task
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


@task
def _add_blocks(block, part, parts):
    """Arguments: x (matrices, rows, columns), sums (matrices, blocks, width), of rows that stand side by side, totals
    like one block of these, zeros of float64; matrices, rows, columns, blocks, width. Their first columns are the sums.
    """
    x, sums, totals = floats(block, 0), floats(block, 1), doubles(block, 2)
    matrices, rows, columns = integer(block, 3), integer(block, 4), integer(block, 5)
    blocks, width = integer(block, 6), integer(block, 7)
    beside = width // columns
    for matrix in range(matrices * part // parts, matrices * (part + 1) // parts):
        total = totals[matrix * width : (matrix + 1) * width]
        for b in range(matrix * blocks, (matrix + 1) * blocks):
            for c in range(width):
                total[c] += sums[b * width + c]
        for i in range(columns, width):
            total[i % columns] += total[i]
        for r in range(matrix * rows + rows // beside * beside, (matrix + 1) * rows):  # too few to stand side by side
            for c in range(columns):
                total[c] += x[r * columns + c]


def sum_rows(x: Array, matrices: int, rows: int, columns: int) -> Array:
    """The sums (matrices, columns) over the rows of matrices (rows, columns), behind one another in dense memory x."""
    beside = max(1, min(_WIDE // columns, rows)) if matrices == 1 else 1
    high, width = rows // beside, beside * columns
    blocks = -(-high // _ROWS)
    sums, totals = np.empty(matrices * blocks * width, np.float32), np.zeros((matrices, width))
    launch(_sum_blocks, thread_count(x.size, LARGE // 2), x, sums, matrices, high, width)
    parts = min(matrices, thread_count(sums.size, LARGE // 2))
    launch(_add_blocks, parts, x, sums, totals, matrices, rows, columns, blocks, width)
    return totals[:, :columns].astype(np.float32)
