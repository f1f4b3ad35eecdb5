"""Division down to an integer, and what it leaves, of float32, by float64: NumPy asks the C library for each entry.

The quotient of two floats of 24 bits is an integer, or farther from one than 2^-24; so below 2^28 float64 rounds none
to an integer that it is not, and the product of such an integer and 24 bits is exact. Where anything else is met,
larger quotients, infinities or NaN, the definition computes it all.
The same functions as kernels/definitions/division.py, held to them by tests/kernels/test_floor_division.py.
"""

from typing import Any

import numpy as np

from ..array_module import laid_out_like
from ..definitions import division as definition
from .functions import AS_WRITTEN
from .launch import floats, integers, launch, task
from .threads import thread_count

Array = np.ndarray

_FLOAT = np.dtype(np.float32)
_SERIAL = 1 << 16  # entries worth a thread's waking
_EXACT = 2.0**28


def _floor_divide(block, part, parts):
    """Arguments: a, b, y; for each part how many entries are not as they should be."""
    a, b, y, others = floats(block, 0), floats(block, 1), floats(block, 2), integers(block, 3)
    odd = 0
    for i in range(y.size * part // parts, y.size * (part + 1) // parts):
        divisor = np.float64(b[i])
        quotient = np.floor(np.float64(a[i]) / divisor)
        odd += not (abs(quotient) < _EXACT and abs(divisor) < np.inf)
        y[i] = quotient
    others[part] = odd


def _remainder(block, part, parts):
    a, b, y, others = floats(block, 0), floats(block, 1), floats(block, 2), integers(block, 3)
    odd = 0
    for i in range(y.size * part // parts, y.size * (part + 1) // parts):
        divisor = np.float64(b[i])
        quotient = np.floor(np.float64(a[i]) / divisor)
        left = np.float64(a[i]) - quotient * divisor
        odd += not (abs(quotient) < _EXACT and left == left)
        y[i] = left if left != 0 else np.copysign(0.0, divisor)
    others[part] = odd


_TASKS = task(_floor_divide, AS_WRITTEN), task(_remainder, AS_WRITTEN)


def _divided(work: task, a: Array, b: Any) -> Array | None:
    """What `work` gives of a and b; None where it cannot."""
    b = np.asarray(b, _FLOAT) if isinstance(b, float | int) else b
    if a.dtype != _FLOAT or b.dtype != _FLOAT or not a.size:
        return None
    shape = a.shape if a.shape == b.shape else np.broadcast_shapes(a.shape, b.shape)
    y = np.empty_like(a, subok=False) if a.shape == shape else np.empty(shape, _FLOAT)
    parts = thread_count(y.size, _SERIAL)
    others = np.empty(parts, np.intp)
    launch(work, parts, *[laid_out_like(np.broadcast_to(x, shape), y) for x in (a, b)], y, others)
    return None if others.any() else y


def floor_divide(a: Array, b: Any) -> Array:
    """The largest integer not above a / b; see the definition."""
    y = _divided(_TASKS[0], a, b)
    return definition.floor_divide(a, b) if y is None else y


def remainder(a: Array, b: Any) -> Array:
    """a - b floor(a / b); see the definition."""
    y = _divided(_TASKS[1], a, b)
    return definition.remainder(a, b) if y is None else y
