"""A large array added to another on every thread; NumPy adds on one. Memory is the limit: nothing else is to be had.

The same function as kernels/definitions/arithmetic.py, held to it, bit by bit, by tests/kernels/test_arithmetic.py.
"""

import numpy as np

from ..definitions import arithmetic as definition
from ..definitions.joining import without_gaps
from .launch import floats, launch, task
from .packing import load_vector
from .streaming import put_vector, swept
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 17  # elements worth a thread's waking


@swept
def _put_sum(given, i, left, past):
    b, total = given
    put_vector(total, i, left, load_vector(total, i, left, 0) + load_vector(b, i, left, 0), past)


@task
def _add(block, part, parts):
    """Arguments: b, total."""
    _put_sum((floats(block, 0), floats(block, 1)), part, parts, 0)


def _alike(a: Array, b: Array) -> bool:
    """Whether both are dense float32 of one shape and order in memory, and large."""
    if not isinstance(b, np.ndarray) or a.size < definition.LARGE or a.dtype != np.float32 or b.dtype != np.float32:
        return False
    return a.shape == b.shape and a.strides == b.strides and without_gaps(a)


def add_to(total: Array, b: Array) -> Array:
    """total + b, written into `total`, which is returned."""
    if not _alike(total, b):
        return definition.add_to(total, b)
    launch(_add, thread_count(total.size, _SERIAL), b.ravel(order="K"), total.ravel(order="K"))
    return total
