"""Sums, sums of squares, greatest and least along axes: the NumPy definition.

Held by tests/kernels/test_reduction.py.
"""

from typing import Any

from ..array_module import rounded_once, xp

Array = Any
Axes = tuple[int, ...] | None


@rounded_once
def reduce_sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, a tuple of non-negative axes (None: all). Integers and booleans give int64."""
    return x.sum(axis=axis, keepdims=keepdims)


@rounded_once
def sum_of_squares(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum of the squares over `axis`."""
    return xp(x).square(x).sum(axis=axis, keepdims=keepdims)


def reduce_max(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The greatest over `axis`; NaN if one is there. No numbers have none: ValueError."""
    return x.max(axis=axis, keepdims=keepdims)


def reduce_min(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The least over `axis`; NaN if one is there. No numbers have none: ValueError."""
    return x.min(axis=axis, keepdims=keepdims)
