"""Arrays joined along an axis, one cut into pieces, as skip connections do, or brought into C order."""

import operator
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np

from ..array_module import in_memory, xp

Array = Any
Sizes = tuple[int, ...]


def join(arrays: Sequence[Array], axis: int) -> Array:
    """`arrays`, of equal sizes but along `axis`, behind one another; laid out in memory as the first.

    Raises:
        ValueError: sizes that differ, or an axis out of range.
    """
    place, shape = along(tuple([x.shape for x in arrays]), axis)
    order = in_memory(arrays[0])
    out = xp(arrays[0]).empty([shape[i] for i in order], np.result_type(*(x.dtype for x in arrays)))
    out = out.transpose([order.index(i) for i in range(len(shape))])
    for x, piece in zip(arrays, pieces(out, [x.shape[place] for x in arrays], place)):
        piece[...] = x  # CuPy's concatenate may read a table of the host, which no graph can hold
    return out


@lru_cache(maxsize=1024, typed=True)  # an axis of 1.0 is not found where one of 1 was
def along(shapes: tuple[Sizes, ...], axis: int) -> tuple[int, Sizes]:
    """The axis, counted from the first, that arrays of these shapes are joined along, and the shape they have then."""
    first, axis = shapes[0], operator.index(axis)
    if not -len(first) <= axis < len(first):
        raise ValueError(f"axis {axis} is out of range for {len(first)} dimensions")
    place = axis % len(first)
    if len({(len(s), s[:place], s[place + 1 :]) for s in shapes}) > 1:
        raise ValueError(
            f"shapes {' and '.join(map(str, shapes))} do not fit together: sizes must be equal except along axis {axis}"
        )
    return place, (*first[:place], sum([s[place] for s in shapes]), *first[place + 1 :])


def split(x: Array, sizes: Sequence[int], axis: int) -> tuple[Array, ...]:
    """x cut along `axis` into pieces of `sizes`, each without gaps between its entries in memory: a view if it has none
    there, or a copy in the same order."""
    return tuple([piece if without_gaps(piece) else piece.copy(order="K") for piece in pieces(x, sizes, axis)])


def pieces(x: Array, sizes: Sequence[int], axis: int) -> list[Array]:
    """The views of x of `sizes` along `axis`, one behind another."""
    ends = list(accumulate(sizes))
    return [x[(slice(None),) * (axis % x.ndim) + (slice(end - n, end),)] for end, n in zip(ends, sizes)]


def in_order(x: Array) -> Array:
    """x, contiguous in C order: itself, or a copy."""
    return xp(x).ascontiguousarray(x)


def without_gaps(x: Array) -> bool:
    """Whether the entries of x fill the memory from the first to the last."""
    return x.transpose(in_memory(x)).flags.c_contiguous
