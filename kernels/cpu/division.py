"""Division down to an integer, and what it leaves, of float32, by float64: NumPy asks the C library for each entry.

The quotient of two floats of 24 bits is an integer, or farther from one than 2^-24; so below 2^28 float64 rounds none
to an integer that it is not, and the product of such an integer and 24 bits is exact. Where anything else is met,
larger quotients, infinities or NaN, the definition computes that block of entries.
The same functions as kernels/definitions/division.py, held to them by tests/kernels/test_floor_division.py.
"""

from collections.abc import Callable
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
_BLOCK = 1 << 10  # entries that the definition computes together
_LEFT = False  # whether what is left is asked for


def _divide(block, part, parts):
    """Arguments: a, b, y; for each of y's blocks how many entries are not as they should be."""
    a, b, y, others = floats(block, 0), floats(block, 1), floats(block, 2), integers(block, 3)
    for k in range(others.size * part // parts, others.size * (part + 1) // parts):
        odd = 0
        for i in range(k * _BLOCK, min((k + 1) * _BLOCK, y.size)):
            divisor = np.float64(b[i])
            quotient = np.floor(np.float64(a[i]) / divisor)
            odd += not (abs(quotient) < _EXACT and abs(divisor) < np.inf)
            if _LEFT:
                left = np.float64(a[i]) - quotient * divisor
                y[i] = left if left != 0 else np.copysign(0.0, divisor)
            else:
                y[i] = quotient
        others[k] = odd


_QUOTIENT = task(_divide, AS_WRITTEN)
_REMAINDER = _QUOTIENT.variant("_remainder", _LEFT=True)


def _divided(work: task, define: Callable[[Array, Array], Array], a: Array, b: Any) -> Array:
    """What `work` gives of a and b, and `define`, its definition, in the blocks where it cannot."""
    if a.dtype != _FLOAT or not a.size or not (isinstance(b, float | int) or b.dtype == _FLOAT):
        return define(a, b)
    b = np.asarray(b, _FLOAT)
    shape = a.shape if a.shape == b.shape else np.broadcast_shapes(a.shape, b.shape)
    y = np.empty_like(a, subok=False) if a.shape == shape else np.empty(shape, _FLOAT)
    laid = [laid_out_like(np.broadcast_to(x, shape), y) for x in (a, b)]
    others = np.empty(-(-y.size // _BLOCK), np.intp)
    launch(work, thread_count(y.size, _SERIAL), *laid, y, others)
    if others.any():
        dividends, divisors, results = (x.ravel(order="K") for x in (*laid, y))
        for k in others.nonzero()[0]:
            entries = slice(k * _BLOCK, (k + 1) * _BLOCK)
            results[entries] = define(dividends[entries], divisors[entries])
    return y


def floor_divide(a: Array, b: Any) -> Array:
    """The largest integer not above a / b; see the definition."""
    return _divided(_QUOTIENT, definition.floor_divide, a, b)


def remainder(a: Array, b: Any) -> Array:
    """a - b floor(a / b); see the definition."""
    return _divided(_REMAINDER, definition.remainder, a, b)
