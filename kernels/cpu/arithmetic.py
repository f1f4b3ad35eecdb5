"""Sums of two large arrays on every thread; NumPy's is on one. Memory is the limit: nothing else is to be had.

The same functions as kernels/definitions/arithmetic.py, held to them, bit by bit, by tests/kernels/test_arithmetic.py.
"""

import numpy as np

from ..definitions import arithmetic as definition
from ..definitions.joining import without_gaps
from .launch import floats, launch, task
from .packing import load_vector, store_vector
from .simd import LANES
from .threads import thread_count

Array = np.ndarray

_SERIAL = definition.LARGE // 2  # elements worth a thread


@task
def _add(block, part, parts):
    """Arguments: a, b, sum."""
    a, b, total = floats(block, 0), floats(block, 1), floats(block, 2)
    stop = total.size * (part + 1) // parts
    for i in range(total.size * part // parts, stop, LANES):
        left = stop - i
        store_vector(total, i, left, load_vector(a, i, left, 0) + load_vector(b, i, left, 0))


def _alike(a: Array, b: Array) -> bool:
    """Whether both are dense float32 of one shape and order in memory, and large."""
    if not isinstance(b, np.ndarray) or a.size < definition.LARGE or a.dtype != np.float32 or b.dtype != np.float32:
        return False
    return a.shape == b.shape and a.strides == b.strides and without_gaps(a)


def _sum(a: Array, b: Array, out: Array) -> Array:
    launch(_add, thread_count(a.size, _SERIAL), *(x.ravel(order="K") for x in (a, b, out)))
    return out


def add(a: Array, b: Array) -> Array:
    """a + b, laid out in memory as `a`."""
    return _sum(a, b, np.empty_like(a)) if _alike(a, b) else definition.add(a, b)


def add_to(total: Array, b: Array) -> Array:
    """total + b, written into `total`, which is returned."""
    return _sum(total, b, total) if _alike(total, b) else definition.add_to(total, b)
