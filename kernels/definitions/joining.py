"""Arrays joined along an axis, a piece of one copied out, as skip connections do, or one brought into C order."""

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
    ends = list(accumulate(x.shape[axis] for x in arrays))
    for x, end in zip(arrays, ends):  # CuPy's concatenate may read a table of the host, which no graph can hold
        out[(slice(None),) * (axis % x.ndim) + (slice(end - x.shape[axis], end),)] = x
    return out


def joined(arrays: Sequence[Array], axis: int) -> Array:
    """Room for `arrays`, joined along `axis`."""
    first, axis = arrays[0], axis % arrays[0].ndim
    shape = [*first.shape[:axis], sum(x.shape[axis] for x in arrays), *first.shape[axis + 1 :]]
    order = in_memory(first)
    out = xp(first).empty([shape[i] for i in order], np.result_type(*(x.dtype for x in arrays)))
    return out.transpose([order.index(i) for i in range(first.ndim)])


def dense(x: Array) -> Array:
    """x without gaps between its entries in memory: itself, or a copy in the same order."""
    return x if x.base is None or without_gaps(x) else x.copy(order="K")


def in_order(x: Array) -> Array:
    """x, contiguous in C order: itself, or a copy."""
    return xp(x).ascontiguousarray(x)


def without_gaps(x: Array) -> bool:
    """Whether the entries of x fill the memory from the first to the last."""
    return x.transpose(in_memory(x)).flags.c_contiguous
