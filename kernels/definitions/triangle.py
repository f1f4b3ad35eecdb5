"""The lower or the upper triangle of matrices: the NumPy definition. Held by tests/kernels/test_triangle.py."""

from typing import Any

from ..array_module import xp

Array = Any


def triangle(x: Array, k: int, lower: bool) -> Array:
    """x (..., rows, columns) with 0 above diagonal `k`, or below it if not `lower`; of x's dtype, in C order."""
    module = xp(x)
    below = module.tri(*x.shape[-2:], k if lower else k - 1, dtype=bool)
    zero = x.dtype.type(0)
    return module.ascontiguousarray(module.where(below, x, zero) if lower else module.where(below, zero, x))
