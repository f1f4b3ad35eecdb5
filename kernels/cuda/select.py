"""A choice between two arrays on a CUDA device: see select.cu. Shapes that differ take the definition."""

from typing import Any

from ..array_module import in_memory
from ..definitions import select as definition
from .launch import THREADS, ceil_div, cupy, launch

Array = Any


def select(a: Array, condition: Array, b: Any) -> Array:
    """a where `condition`, a boolean array, holds, else b, an array or a number; of a's dtype, laid out as a."""
    is_number = not hasattr(b, "shape")
    if condition.shape != a.shape or not (is_number or b.shape == a.shape):
        return definition.select(a, condition, b)
    device = cupy()
    y = device.empty_like(a)
    order = in_memory(y)  # in which y is one piece of memory

    def dense(x: Array, dtype: Any) -> Array:
        return device.ascontiguousarray(x.transpose(*order), dtype=dtype)

    other = float(b) if is_number else dense(b, a.dtype)
    name = "select/choose_number" if is_number else "select/choose"
    arrays = (dense(a, a.dtype), dense(condition, bool), other, y.transpose(*order))
    launch(name, a.dtype, ceil_div(y.size, THREADS), THREADS, *arrays, y.size)
    return y
