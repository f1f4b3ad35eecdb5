"""Running sums and products, and what linear steps lead to, along one axis: the NumPy definition.

Each goes from the first entry to the last, or `back`. Held by tests/kernels/test_running.py.
"""

from typing import Any

from ..array_module import rounded_once, xp

Array = Any


def along(axis: int, part: slice | int) -> tuple[slice | int, ...]:
    """The index that takes `part` of `axis`, counted from the first."""
    return (*(slice(None),) * axis, part)


def _turned(x: Array, axis: int, back: bool) -> Array:
    return x[along(axis, slice(None, None, -1))] if back else x


@rounded_once
def running_sum(x: Array, axis: int, back: bool = False) -> Array:
    """y_i = x_0 + ... + x_i. Integers and booleans give int64."""
    return _turned(_turned(x, axis, back).cumsum(axis), axis, back)


@rounded_once
def running_product(x: Array, axis: int) -> Array:
    """y_i = x_0 ... x_i. Integers and booleans give int64."""
    return x.cumprod(axis)


@rounded_once
def products_before(x: Array, axis: int, back: bool = False) -> Array:
    """y_i = x_0 ... x_{i-1}, the product of those before: y_0 = 1. Integers and booleans give int64."""
    x = _turned(x, axis, back)
    y = xp(x).ones(x.shape, x.dtype if x.dtype.kind in "fc" else int)
    y[along(axis, slice(1, None))] = x[along(axis, slice(None, -1))].cumprod(axis)
    return _turned(y, axis, back)


@rounded_once
def states_before(a: Array, b: Array, axis: int, back: bool = False) -> Array:
    """y_{i+1} = a_i y_i + b_i from y_0 = 0: the state that each linear step begins with. a and b have one shape."""
    y = xp(a).zeros(a.shape, a.dtype)
    first = [_turned(array, axis, back).swapaxes(0, axis)[..., None] for array in (a, b, y, y)]  # no step is a number
    for a_i, b_i, y_i, y_next in zip(*first[:3], first[3][1:]):
        xp(a).multiply(a_i, y_i, out=y_next)
        y_next += b_i
    return y
