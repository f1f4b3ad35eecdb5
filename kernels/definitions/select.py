"""A choice between two arrays, entry by entry: the NumPy definition. Held by tests/kernels/test_select.py."""

from typing import Any

from ..array_module import xp

Array = Any


def select(a: Array, condition: Array, b: Array | float) -> Array:
    """a where `condition`, a boolean array, holds, else b; of a's dtype. The three broadcast together."""
    return xp(a).where(condition, a, b).astype(a.dtype, copy=False)
