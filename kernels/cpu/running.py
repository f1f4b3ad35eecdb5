"""Running sums and products, and linear steps, along an axis of large float32 arrays without gaps: scans.py.

All others are NumPy's, as the definitions. Held by tests/kernels/test_running.py.
"""

import math
from typing import Any

import numpy as np

from ..array_module import in_memory, laid_out_like
from ..definitions import running as definition
from ..definitions.arithmetic import LARGE
from ..definitions.joining import without_gaps

Array = np.ndarray

_FLOAT = np.dtype(np.float32)
_add: Any = np.add.accumulate  # what x.cumsum() calls, by way of Python
_multiply: Any = np.multiply.accumulate


def _fits(x: Array) -> bool:
    return x.size >= LARGE and x.dtype == _FLOAT and without_gaps(x)


def _sizes(x: Array, axis: int) -> tuple[int, int, int]:
    """x (matrices, n, columns) as it lies in memory, n along `axis`."""
    order = in_memory(x)
    place = order.index(axis)
    return (
        math.prod(x.shape[i] for i in order[:place]),
        x.shape[axis],
        math.prod(x.shape[i] for i in order[place + 1 :]),
    )


def running_sum(x: Array, axis: int, back: bool = False) -> Array:
    """y_i = x_0 + ... + x_i."""
    if x.size < LARGE and not back:
        return _add(x, axis)
    if not _fits(x):
        return definition.running_sum(x, axis, back)
    from . import scans  # Numba is loaded where it is needed first: small arrays do without

    y = np.empty_like(x)
    scans.run(scans.SUM, x, y, _sizes(x, axis), back, False)
    return y


def running_product(x: Array, axis: int) -> Array:
    """y_i = x_0 ... x_i."""
    if not _fits(x):
        return _multiply(x, axis)
    from . import scans

    y = np.empty_like(x)
    scans.run(scans.PRODUCT, x, y, _sizes(x, axis), False, False)
    return y


def products_before(x: Array, axis: int, back: bool = False) -> Array:
    """y_i = x_0 ... x_{i-1}."""
    if not _fits(x):
        return definition.products_before(x, axis, back)
    from . import scans

    y = np.empty_like(x)
    scans.run(scans.PRODUCT, x, y, _sizes(x, axis), back, True)
    return y


def states_before(a: Array, b: Array, axis: int, back: bool = False) -> Array:
    """y_{i+1} = a_i y_i + b_i from y_0 = 0."""
    if not _fits(a) or b.dtype != _FLOAT:
        return definition.states_before(a, b, axis, back)
    from . import scans

    y = np.empty_like(a)
    scans.run_states(a, laid_out_like(b, a), y, _sizes(a, axis), back)
    return y
