"""Arrays joined along an axis, one cut into pieces, as skip connections do, or brought into C order."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..array_module import in_memory, xp

Array = Any


def join(first: Array, others: Sequence[Array], axis: int) -> Array:
    """`first` and `others`, of equal sizes but along `axis`, behind one another; laid out in memory as `first`."""
    arrays = [first, *others]
    out = joined(arrays, axis)
    for x, piece in zip(arrays, pieces(out, [x.shape[axis] for x in arrays], axis)):
        piece[...] = x  # CuPy's concatenate may read a table of the host, which no graph can hold
    return out


def split(x: Array, sizes: Sequence[int], axis: int) -> tuple[Array, ...]:
    """x cut along `axis` into pieces of `sizes`, each without gaps between its entries in memory: a view if it has none
    there, or a copy in the same order."""
    return tuple([piece if without_gaps(piece) else piece.copy(order="K") for piece in pieces(x, sizes, axis)])


def pieces(x: Array, sizes: Sequence[int], axis: int) -> list[Array]:
    """The views of x of `sizes` along `axis`, one behind another."""
    ends = list(accumulate(sizes))
    return [x[(slice(None),) * (axis % x.ndim) + (slice(end - n, end),)] for end, n in zip(ends, sizes)]


def joined(arrays: Sequence[Array], axis: int) -> Array:
    """Room for `arrays`, joined along `axis`."""
    first, axis = arrays[0], axis % arrays[0].ndim
    shape = [*first.shape[:axis], sum(x.shape[axis] for x in arrays), *first.shape[axis + 1 :]]
    order = in_memory(first)
    out = xp(first).empty([shape[i] for i in order], np.result_type(*(x.dtype for x in arrays)))
    return out.transpose([order.index(i) for i in range(first.ndim)])


def in_order(x: Array) -> Array:
    """x, contiguous in C order: itself, or a copy."""
    return xp(x).ascontiguousarray(x)


def without_gaps(x: Array) -> bool:
    """Whether the entries of x fill the memory from the first to the last."""
    return x.transpose(in_memory(x)).flags.c_contiguous
