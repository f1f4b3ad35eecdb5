"""The norm of many arrays in one pass over each, and a factor for all of them, on every thread.

The same functions as kernels/definitions/norm.py, held to it by tests/kernels/test_norm.py. Squares are added up in
float64, in parts that do not depend on timing.
"""

from collections.abc import Sequence
from functools import partial
from math import sqrt

import numpy as np

from ..definitions import norm as definition
from .launch import doubles, floats, launch, task
from .threads import thread_count

Array = np.ndarray

SERIAL = 65536  # elements worth a thread


def gradient_norm(arrays: Sequence[Array]) -> Array:
    """The root of the sum of all squares, of shape (); see the definition."""
    if not arrays:
        return definition.gradient_norm(arrays)
    return np.asarray(sqrt(sum(map(_squared, arrays))), arrays[0].dtype)


def scale_all(arrays: Sequence[Array], factor: Array) -> None:
    """Multiplies all arrays in place by `factor`, of shape (); nothing is touched if it is 1."""
    if factor != 1:
        for a in arrays:
            a *= a.dtype.type(factor)


def _squared(x: Array) -> float:
    """The sum of the squares of x, which is copied only if it has gaps."""
    flat = x.ravel(order="K")
    parts = thread_count(flat.size, SERIAL)
    sums = np.empty(parts)
    launch(_SUM[x.dtype.char], parts, flat, sums)
    return float(sums.sum())


@partial(task, fastmath={"reassoc", "contract"})
def _sum(block, part, parts):
    """Arguments: x, the sum of the squares of each part."""
    x, sums = floats(block, 0), doubles(block, 1)
    x = x[x.size * part // parts : x.size * (part + 1) // parts]
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(x[i])
    sums[part] = total


_SUM = {"f": _sum, "d": _sum.variant("_sum_doubles", floats=doubles)}
