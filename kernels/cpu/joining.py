"""Large float32 arrays joined along an axis, pieces copied out, arrays brought into C order: on every thread.

The same functions as kernels/definitions/joining.py, held to them by tests/kernels/test_joining.py.
"""

import math
from collections.abc import Sequence

import numpy as np

from ..array_module import in_memory
from ..definitions import joining as definition
from ..definitions.arithmetic import LARGE

Array = np.ndarray


def _distance(x: Array, order: Sequence[int], place: int) -> int | None:
    """The distance between the rows of x, its axes taken in `order` and those from `place` on being a row's.

    None where the entries of a row are not adjacent or rows are not all at one distance.
    """
    step = 1
    for i in reversed(order[place:]):
        if x.shape[i] > 1 and x.strides[i] != step * x.itemsize:
            return None
        step *= x.shape[i]
    distance = None
    for i in reversed(order[:place]):
        if x.shape[i] > 1:
            if distance is None:
                distance = step = x.strides[i] // x.itemsize
            if x.strides[i] != step * x.itemsize:
                return None
            step *= x.shape[i]
    return step if distance is None else distance


def _copy(x: Array, y: Array, length: int, x_step: int, y_step: int) -> None:
    from .rows_copied import copy_rows  # Numba is loaded where it is needed first: small arrays do without

    copy_rows(x, y, x.size // length, length, x_step, y_step)


def join(first: Array, others: Sequence[Array], axis: int) -> Array:
    """`first` and `others`, of equal sizes but along `axis`, behind one another; laid out in memory as `first`."""
    arrays = [first, *others]
    axis %= first.ndim
    order = in_memory(first)
    place = order.index(axis)
    distances = [_distance(x, order, place) if x.dtype == np.float32 else None for x in arrays]
    if sum(x.size for x in arrays) < LARGE or None in distances:
        return definition.join(first, others, axis)
    out = definition.joined(arrays, axis)
    width = math.prod(out.shape[i] for i in order[place:])
    start = 0
    for x, distance in zip(arrays, distances):
        piece = out[(slice(None),) * axis + (slice(start, start + x.shape[axis]),)]
        start += x.shape[axis]
        if x.size:
            _copy(x, piece, math.prod(x.shape[i] for i in order[place:]), distance or 0, width)
    return out


def dense(x: Array) -> Array:
    """x without gaps between its entries in memory: itself, or a copy in the same order."""
    if x.size < LARGE or x.dtype != np.float32 or x.base is None or definition.without_gaps(x):
        return definition.dense(x)
    order = in_memory(x)
    place = next((p for p in range(x.ndim) if _distance(x, order, p) is not None), x.ndim)
    distance = _distance(x, order, place)
    if place == x.ndim or distance is None or min(x.strides) < 0:
        return definition.dense(x)
    y = definition.joined([x], 0)
    length = math.prod(x.shape[i] for i in order[place:])
    _copy(x, y, length, distance, length)
    return y


def in_order(x: Array) -> Array:
    """x, contiguous in C order: itself, or a copy."""
    if x.size < LARGE or x.dtype != np.float32:
        return definition.in_order(x)
    from . import rows_copied

    return rows_copied.in_order(x)
