"""Sums, products, norms, greatest and least along axes: the NumPy definition.

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
def reduce_prod(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The product over `axis`. Integers and booleans give int64."""
    return x.prod(axis=axis, keepdims=keepdims)


@rounded_once
def sum_of_squares(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum of the squares over `axis`."""
    return xp(x).square(x).sum(axis=axis, keepdims=keepdims)


@rounded_once
def euclidean_norm(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The root of the sum of the squares over `axis`, which neither overflow nor underflow on the way: those of float32
    cannot in float64, those of float64 are of numbers that are 1 at most."""
    np = xp(x)
    if x.dtype == np.float32:
        return np.sqrt(np.square(x, dtype=np.float64).sum(axis=axis, keepdims=keepdims)).astype(x.dtype)
    r, scale = scaled(x, axis)
    norms = np.sqrt(sum_of_squares(r, axis, True)) * scale
    return norms if keepdims else norms.squeeze(axis)


def scaled(x: Array, axis: Axes) -> tuple[Array, Array]:
    """x / scale, of which no entry is above 1, and scale, which keeps the axes; 1 where it would be 0 or not finite."""
    scale = xp(x).abs(x).max(axis=axis, keepdims=True, initial=0)
    scale = xp(x).where((scale == 0) | ~xp(x).isfinite(scale), 1, scale).astype(x.dtype)
    return x / scale, scale


def reduce_max(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The greatest over `axis`; NaN if one is there. No numbers have none: ValueError."""
    return x.max(axis=axis, keepdims=keepdims)


def reduce_min(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The least over `axis`; NaN if one is there. No numbers have none: ValueError."""
    return x.min(axis=axis, keepdims=keepdims)
