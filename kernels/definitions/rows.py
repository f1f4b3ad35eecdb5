"""Entries taken along an axis by index, and their adjoint, entries added up by index: the NumPy definitions.

    take(x, index, axis)             y[.., i, ..] = x[.., index[i], ..]     a table look-up: whole slices
    take(x, index, axis, each=True)  y[a, i, b] = x[a, index[a, i, b], b]   every place has an index of its own

Held by tests/kernels/test_rows.py.
"""

from typing import Any

from ..array_module import rounded_once, xp
from ..capture import capturing

Array = Any


def take(x: Array, index: Array, axis: int, each: bool = False, below: bool = True) -> Array:
    """The entries of x at integers `index` along `axis`, from 0 on.

    Args:
        index: of any shape, which stands in the result in place of `axis`; or, with `each`, of the shape of x but for
            its size along `axis`.
        below: whether an index below 0 counts from the end.

    Raises:
        ValueError: with `each`, a shape that does not fit.
        IndexError: an index out of range.
    """
    check_index(x.shape, index, axis, each, below)
    return xp(x).take_along_axis(x, index, axis) if each else x.take(index, axis)


@rounded_once
def add_taken(g: Array, index: Array, axis: int, count: int, each: bool = False) -> Array:
    """The adjoint of `take` from `count` entries along `axis`: each entry of g added where it was taken from, in order.

    Raises:
        ValueError: shapes that do not fit.
        IndexError: an index out of range.
    """
    shape = taken_from(g, index, axis, count, each)
    check_index(shape, index, axis, each)
    module = xp(g)
    out = module.zeros(shape, dtype=g.dtype)
    place = [slice(None)] * axis + [index]
    if each:
        place = [module.arange(n).reshape([-1 if i == k else 1 for i in range(g.ndim)]) for k, n in enumerate(g.shape)]
        place[axis] = index
    module.add.at(out, tuple(place), g)
    return out


def taken_from(g: Array, index: Array, axis: int, count: int, each: bool) -> tuple[int, ...]:
    """The shape that `take` took g from. Raises ValueError for shapes that do not fit."""
    lead, rest = g.shape[:axis], g.shape[axis + (1 if each else index.ndim) :]
    if index.shape != (g.shape if each else g.shape[axis : g.ndim - len(rest)]):
        raise ValueError(f"add_taken: g {g.shape} needs as many indices along axis {axis}, found {index.shape}")
    return (*lead, count, *rest)


def check_index(shape: tuple[int, ...], index: Array, axis: int, each: bool, below: bool = True) -> None:
    """Whether `index` fits an array of `shape`; a device is not asked while its work is recorded."""
    if each and (index.ndim != len(shape) or index.shape[:axis] + index.shape[axis + 1 :] != beside(shape, axis)):
        raise ValueError(f"take: indices of shape {index.shape} for each place of {shape} differ beside axis {axis}")
    if index.size and not capturing():
        flat, count = index.reshape(-1), shape[axis]
        low, high = int(flat[flat.argmin()]), int(flat[flat.argmax()])  # of few a third of the time that min takes
        if low < (-count if below else 0) or high >= count:
            raise outside(low, high, count, below)


def beside(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The sizes of the other axes."""
    return shape[:axis] + shape[axis + 1 :]


def outside(low: int, high: int, count: int, below: bool) -> IndexError:
    """The error of indices from `low` to `high` for `count` entries."""
    least = -count if below else 0
    return IndexError(f"index {low if low < least else high} is outside {least} to {count - 1}")
