"""The lower or the upper triangle of matrices, row by row: what is kept is copied, the rest is zeros. NumPy looks at a
table of truth values for each entry, which takes as long to make as to read: worth keeping for few entries alone.

The same function as kernels/definitions/triangle.py, held to it, bit by bit, by tests/kernels/test_triangle.py.
float32; the rest is the definition.
"""

from functools import lru_cache

import numpy as np

from ..definitions import triangle as definition
from ..definitions.arithmetic import LARGE
from .compiled import njit
from .joining import in_order
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector
from .select import SELECT_NUMBER
from .simd import FASTMATH, LANES, vzero
from .threads import thread_count

Array = np.ndarray
_FLOAT, _ZERO = np.dtype(np.float32), np.zeros((), np.float32)

_FEW = 1 << 12  # entries of which a table is kept


@njit(fastmath=FASTMATH)
def _zeros(y, start, stop):
    for i in range(start, stop, LANES):
        store_vector(y, i, stop - i, vzero())


@task
def _triangle(block, part, parts):
    """Arguments: x, y; rows, columns, k, lower."""
    x, y, rows, columns = floats(block, 0), floats(block, 1), integer(block, 2), integer(block, 3)
    k, lower = integer(block, 4), integer(block, 5)
    count = x.size // columns
    for i in range(count * part // parts, count * (part + 1) // parts):
        at = i * columns
        turn = at + min(max(i % rows + k + lower, 0), columns)  # up to here lies what is below
        first, last = (at, turn) if lower else (turn, at + columns)
        _zeros(y, at, first)
        for j in range(first, last, LANES):
            store_vector(y, j, last - j, load_vector(x, j, last - j, 0))
        _zeros(y, last, at + columns)


@lru_cache(maxsize=256)
def _kept(shape: tuple[int, ...], k: int, lower: bool) -> Array:
    """Which entries of a matrix are kept."""
    below = np.tri(shape[0], shape[1], k if lower else k - 1, dtype=bool)
    return below if lower else ~below


def triangle(x: Array, k: int, lower: bool) -> Array:
    """x (..., rows, columns) with 0 above diagonal `k`, or below it if not `lower`; see the definition."""
    if x.dtype is not _FLOAT or not x.size:
        return definition.triangle(x, k, lower)
    if x.size < _FEW and x.flags.c_contiguous:
        return SELECT_NUMBER.run(_kept(x.shape[-2:], k, lower), x, _ZERO)
    y = np.empty(x.shape, _FLOAT)
    launch(_triangle, thread_count(x.size, LARGE), in_order(x), y, *x.shape[-2:], k, int(lower))
    return y
