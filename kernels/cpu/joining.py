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


def _copied(rows: int, copies: list[tuple[Array, Array, int, int, int]]) -> None:
    from .rows_copied import copy_rows  # Numba is loaded where it is needed first: small arrays do without

    copy_rows(rows, copies)


def join(first: Array, others: Sequence[Array], axis: int) -> Array:
    """`first` and `others`, of equal sizes but along `axis`, behind one another; laid out in memory as `first`."""
    arrays = [first, *others]
    axis %= first.ndim
    if sum([x.size for x in arrays]) < LARGE:
        return definition.join(first, others, axis)
    order = in_memory(first)
    place = order.index(axis)
    distances = [_distance(x, order, place) if x.dtype == np.float32 else None for x in arrays]
    if None in distances:
        return definition.join(first, others, axis)
    out = definition.joined(arrays, axis)
    rows, width = _rows(out, order, place)
    pieces = definition.pieces(out, [x.shape[axis] for x in arrays], axis)
    _copied(rows, [(x, y, x.size // rows, d or 0, width) for x, y, d in zip(arrays, pieces, distances) if x.size])
    return out


def split(x: Array, sizes: Sequence[int], axis: int) -> tuple[Array, ...]:
    """x cut along `axis` into pieces of `sizes`, each without gaps in memory; see the definition."""
    axis %= x.ndim
    order = in_memory(x)
    place = order.index(axis)
    distance = _distance(x, order, place) if x.dtype == np.float32 else None
    pieces = definition.pieces(x, sizes, axis)
    if x.size < LARGE or distance is None or definition.without_gaps(pieces[0]):
        return definition.split(x, sizes, axis)
    rows, _ = _rows(x, order, place)
    found = [definition.joined([piece], axis) for piece in pieces]
    _copied(rows, [(p, y, y.size // rows, distance, y.size // rows) for p, y in zip(pieces, found) if y.size])
    return tuple(found)


def _rows(x: Array, order: Sequence[int], place: int) -> tuple[int, int]:
    """How many rows x has, its axes taken in `order` and those from `place` on being a row's, and how long they are."""
    length = math.prod(x.shape[i] for i in order[place:])
    return x.size // length, length


def in_order(x: Array) -> Array:
    """x, contiguous in C order: itself, or a copy."""
    if x.size < LARGE or x.dtype != np.float32:
        return definition.in_order(x)
    from . import rows_copied

    return rows_copied.in_order(x)
