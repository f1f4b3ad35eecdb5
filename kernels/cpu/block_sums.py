"""Rows of matrices added up on every thread: a block of rows in float32, the blocks in float64.

Held by tests/kernels/test_reduction.py.
"""

from functools import lru_cache

import numpy as np

from ..definitions.arithmetic import LARGE
from .launch import doubles, floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import LANES, vload, vstore, vzero
from .threads import memory, thread_count

Array = np.ndarray

_ROWS = 128  # added in float32
_WIDE = 4 * LANES  # columns taken together; where there are fewer, some rows stand side by side


# Arguments: x (matrices, rows, columns), the result (matrices, columns), sums (matrices, blocks, width) of rows that
# stand side by side, totals like one block of these; matrices, rows, columns, blocks; how many stand side by side.


@task
def _sum_blocks(block, part, parts):
    """The sums."""
    x, sums = floats(block, 0), floats(block, 2)
    matrices, blocks, beside = integer(block, 4), integer(block, 7), integer(block, 8)
    rows, columns = integer(block, 5) // beside, integer(block, 6) * beside
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
    """The result; totals are of float64."""
    x, out, sums, totals = floats(block, 0), floats(block, 1), floats(block, 2), doubles(block, 3)
    matrices, rows, columns = integer(block, 4), integer(block, 5), integer(block, 6)
    blocks, beside = integer(block, 7), integer(block, 8)
    width = columns * beside
    for matrix in range(matrices * part // parts, matrices * (part + 1) // parts):
        total = totals[matrix * width : (matrix + 1) * width]
        total[:] = 0
        for b in range(matrix * blocks, (matrix + 1) * blocks):
            for c in range(width):
                total[c] += sums[b * width + c]
        for i in range(columns, width):
            total[i % columns] += total[i]
        for r in range(matrix * rows + rows // beside * beside, (matrix + 1) * rows):  # too few to stand side by side
            for c in range(columns):
                total[c] += x[r * columns + c]
        for c in range(columns):
            out[matrix * columns + c] = total[c]


_SUM = _sum_blocks.then(_add_blocks)


@lru_cache(maxsize=512)
def _sizes(matrices: int, rows: int, columns: int) -> tuple[tuple[int, ...], int, int]:
    """The numbers among the arguments; how many sums there are, and totals."""
    beside = max(1, min(_WIDE // columns, rows)) if matrices == 1 else 1
    blocks, width = -(-(rows // beside) // _ROWS), columns * beside
    return (matrices, rows, columns, blocks, beside), matrices * blocks * width, matrices * width


def sum_rows(x: Array, shape: tuple[int, ...], matrices: int, rows: int, columns: int) -> Array:
    """The sums over the rows of matrices (rows, columns), which lie behind one another in dense memory x, as an array
    of `shape`."""
    numbers, sums, totals = _sizes(matrices, rows, columns)
    out = np.empty(shape, np.float32)
    launch(_SUM, thread_count(x.size, LARGE // 2), x, out, memory("sums", sums), np.empty(totals), numbers)
    return out
