"""Rows of memory copied, of several arrays in one pass, and arrays brought into C order, on every thread.

Held by tests/kernels/test_joining.py.
"""

from collections.abc import Sequence

import numpy as np

from ..definitions.arithmetic import LARGE
from .compiled import njit
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector, turn
from .simd import FASTMATH, LANES, vload, vstore
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 14  # elements worth a thread's waking; fewer than these NumPy copies itself
_LONG = 1 << 8  # floats in a row, from which on NumPy copies faster than one thread does here
_TOGETHER = 1 << 10  # floats that are copied of each array in turn


@task
def _copy_rows(block, part, parts):
    """Arguments: rows, how many at a time, copies; for each copy the length of a row, the distances of rows in x and in
    y, where they begin there; then x and y of each."""
    rows, together, copies = integer(block, 0), integer(block, 1), integer(block, 2)
    stop = rows * (part + 1) // parts
    for first in range(rows * part // parts, stop, together):
        for copy in range(copies):
            at, arrays = 3 + 5 * copy, 3 + 5 * copies + 2 * copy
            x, y = floats(block, arrays), floats(block, arrays + 1)
            length, x_step, y_step = integer(block, at), integer(block, at + 1), integer(block, at + 2)
            x_at, y_at = integer(block, at + 3), integer(block, at + 4)
            for r in range(first, min(first + together, stop)):
                for j in range(0, length, LANES):
                    v = load_vector(x, x_at + r * x_step + j, length - j, 0)
                    store_vector(y, y_at + r * y_step + j, length - j, v)


class Copies:
    """`rows` rows that are copied from some arrays to others: (length, x_step, y_step, x_at, y_at) for each copy, the
    distances of its rows in x and in y and where they begin there."""

    def __init__(self, rows: int, each: Sequence[tuple[int, int, int, int, int]]) -> None:
        width = sum(copy[0] for copy in each)
        self.entries = rows * width
        self.numbers = (rows, max(1, _TOGETHER // max(width, 1)), len(each), *[n for copy in each for n in copy])

    def run(self, arrays: Sequence[tuple[Array, Array]]) -> None:
        """Copies, for each pair (x, y), from x to y."""
        launch(_copy_rows, thread_count(self.entries, LARGE // 2), self.numbers, *[a for pair in arrays for a in pair])


@njit(fastmath=FASTMATH)
def copy_floats(x, start, buffer, to, count):
    """buffer[to : to + count] = x[start : start + count]."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        vstore(buffer, to + i, vload(x, start + i))
    for i in range(whole, count):
        buffer[to + i] = x[start + i]


@task
def _in_order(block, part, parts):
    """Arguments: x, y; the sizes of their four axes, and the distances in x along these. y is in C order.

    In x the entries along the last axis are adjacent, or at least LANES along the one before it.
    """
    x, y = floats(block, 0), floats(block, 1)
    n, blocks, rows, columns = integer(block, 2), integer(block, 3), integer(block, 4), integer(block, 5)
    n_step, block_step, row_step, column_step = (
        integer(block, 6),
        integer(block, 7),
        integer(block, 8),
        integer(block, 9),
    )
    for b in range(n * blocks * part // parts, n * blocks * (part + 1) // parts):
        start, to = b // blocks * n_step + b % blocks * block_step, b * rows * columns
        if column_step == 1:
            for r in range(rows):
                copy_floats(x, start + r * row_step, y, to + r * columns, columns)
        else:
            turn(x, start, column_step, columns, rows, y, to, columns)


def _axes(x: Array) -> tuple[list[int], list[int]]:
    """Sizes of x and distances along them, in bytes; axes that are evenly spaced together are one."""
    sizes: list[int] = []
    steps: list[int] = []
    for size, step in zip(x.shape, x.strides):
        if steps and steps[-1] == size * step:
            sizes[-1] *= size
            steps[-1] = step
        elif size > 1:
            sizes.append(size)
            steps.append(step)
    return sizes, steps


def in_order(x: Array) -> Array:
    """The float32 array x, contiguous in C order: itself, or a copy."""
    if x.flags.c_contiguous:
        return x
    sizes, steps = _axes(x) if x.size >= _SERIAL else ([], [])
    if not 1 < len(sizes) < 5 or min(steps) < 0 or any(step % 4 for step in steps):
        return np.ascontiguousarray(x)
    if steps[-1] != 4 and not (steps[-2] == 4 and sizes[-2] >= LANES):
        return np.ascontiguousarray(x)
    parts = thread_count(x.size, _SERIAL)
    if parts == 1 and steps[-1] == 4 and sizes[-1] >= _LONG:
        return np.ascontiguousarray(x)
    y = np.empty(x.shape, np.float32)
    absent = 4 - len(sizes)
    steps = [0] * absent + [step // 4 for step in steps]
    launch(_in_order, parts, x, y, *[1] * absent, *sizes, *steps)
    return y
