"""Indexing and what is made of it: a pair of operations, each the other's adjoint, does all of it."""

import builtins
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.autodiff import guard
from tinygen.autodiff.primitive import either, operation
from tinygen.autodiff.room import sum_beside
from tinygen.kernels.array_module import rounded_once, xp
from tinygen.ops.manipulation import as_tensor, broadcast_to
from tinygen.tensor import ArrayLike, Tensor, asarray

_BASIC = frozenset([slice, int, type(None), type(...)])
_ALL = slice(None)


def _is_basic(index: Any) -> bool:
    """Slices, ints, None and ellipsis only: a view, in which no entry appears twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return builtins.all(p is None or p is Ellipsis or isinstance(p, slice | int | np.integer) for p in parts)


def _added(g: Any, index: Any, x_shape: tuple[int, ...]) -> Any:
    """The gradient of x for that of x[index], or None where it was added to what other parts of x have left."""
    held = sum_beside(g)
    if held is None or not _is_basic(index):
        return scatter_add.__wrapped__(g, index, x_shape)
    held[index] += g
    return None


@operation(
    x=either(lambda g, index, x_shape: scatter_add(g, index, x_shape), _added),
    moves=True,
    takes_part=True,
    plainly=operator.getitem,
)
def _getitem(x: Any, index: Any) -> Any:
    try:
        return x[_bare(index)]
    except IndexError as error:
        raise IndexError(f"index does not fit shape {x.shape}: {error}") from None


@operation(
    g=either(lambda g, index: _getitem(g, index)),
    moves=True,
)
def scatter_add(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with the entries of `g` added at `index`; the adjoint of indexing."""
    index = _bare(index)
    if not (_is_basic(index) or (type(index) is np.ndarray and index.dtype == bool)):
        return _added_at(g, index, shape)
    out = xp(g).zeros(shape, dtype=g.dtype)
    out[index] = g
    return out


@rounded_once
def _added_at(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    out = xp(g).zeros(shape, dtype=g.dtype)
    xp(g).add.at(out, index, g)
    return out


@operation(
    x=either(lambda g, index, x_shape, axis, each: add_taken(g, index, axis, x_shape[axis], each)),
    moves=True,
    name="take",
)
def taken(x: Any, index: Any, axis: int = 0, each: bool = False, below: bool = True) -> Any:
    """The entries of x at integers `index` along `axis`: whole slices, or, with `each`, every place by an index of its
    own (kernels/definitions/rows.py). `below` says that an index below 0 counts from the end."""
    if index.dtype.kind not in "iu":
        raise IndexError(f"indices are integers, not {index.dtype}")
    return kernels.take(x, index, axis, each, below)  # type: ignore[attr-defined]


@operation(
    g=either(lambda g, index, axis, each: taken(g, index, axis, each)),
    moves=True,
)
def add_taken(g: Any, index: Any, axis: int, count: int, each: bool = False) -> Any:
    """Each entry of g added where `taken` took it from, of `count` along `axis`; its adjoint."""
    return kernels.add_taken(g, index, axis, count, each)  # type: ignore[attr-defined]


def _slices(x: Any, index: Any) -> tuple[Tensor, int] | None:
    """The integers, and the axis, where an index takes whole slices by integers: x[integers], x[:, :, integers]."""
    last, axis = (index[-1], len(index) - 1) if type(index) is tuple and index else (index, 0)
    for part in index[:axis] if axis else ():
        if type(part) is not slice or part != _ALL:
            return None
    if not hasattr(last, "dtype") or last.dtype.kind not in "iu" or not last.ndim or axis >= x.ndim:
        return None
    return as_tensor(last), axis


def _plain(index: Any) -> Any:
    """An index with lists as arrays."""
    if isinstance(index, tuple):
        return tuple([part if type(part) in _BASIC else _plain(part) for part in index])
    if isinstance(index, Tensor) and index._data.dtype.kind not in "iub":
        raise IndexError(f"a tensor of dtype {index.dtype} cannot be an index: integers and booleans can")
    if isinstance(index, list):
        return asarray(index) if len(index) else np.zeros(0, np.intp)  # NumPy: an empty list picks nothing
    return index


def _bare(index: Any) -> Any:
    """An index with tensors as arrays. As tensors nodes retain them: an array alone they would take for a user's."""
    if type(index) is tuple:
        for part in index:
            if isinstance(part, Tensor):
                return tuple([part._data if isinstance(part, Tensor) else part for part in index])
    return index._data if isinstance(index, Tensor) else index


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]`: slices, integers, None and ellipsis (a view), integer arrays and boolean masks (a copy).

    An array in the index stays the caller's: if it changes before the gradient, that is found out. So it is of a tensor
    that is written to; but what `Tensor(array)` wraps is the tensor's alone, here as elsewhere (tensor.py).

    Raises:
        IndexError: an index out of range, or of a dtype that is neither integer nor boolean.
    """
    for part in index if type(index) is tuple else (index,):
        if type(part) not in _BASIC:
            slices = _slices(x, index)
            return taken(x, *slices) if slices else _getitem(x, _plain(index))
    return _getitem(x, index)


def parts(x: Tensor, indices: Iterable[Any]) -> tuple[Tensor, ...]:
    """`x[index]` for each of many indices of slices and integers."""
    return tuple(_getitem.each(x, indices))


def setitem(x: Tensor, index: Any, value: ArrayLike) -> None:
    """`x[index] = value` in place, on a tensor without gradient.

    Raises:
        TypeError: x carries a gradient; `tg.where` makes a new tensor instead.
    """
    if x.requires_grad or (isinstance(value, Tensor) and value.requires_grad):
        raise TypeError("a tensor that carries a gradient is not written in place: make a new one with tg.where")
    x._data[_bare(_plain(index))] = asarray(value) if isinstance(value, Tensor) else value
    guard.written(x._data)


def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Tensor:
    """The entries at integer `indices` along `axis` (of a 1-D array by default)."""
    x = as_tensor(x)
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take needs an axis for {x.ndim} dimensions")
        axis = 0
    return taken(x, as_tensor(indices), axis % x.ndim)


def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int = -1) -> Tensor:
    """Entries picked along `axis`, at each place of the other axes by its own index."""
    x, indices = as_tensor(x), as_tensor(indices)
    if x.ndim != indices.ndim:
        raise ValueError(f"take_along_axis: indices of shape {indices.shape} need as many dimensions as {x.shape}")
    axis %= x.ndim
    of_x, of_index = (t.shape[:axis] + t.shape[axis + 1 :] for t in (x, indices))
    if of_x != of_index:
        try:
            beside = np.broadcast_shapes(of_x, of_index)
        except ValueError:
            beside = None
        if beside != of_x:
            raise ValueError(f"take_along_axis: shapes {x.shape} and {indices.shape} differ beside axis {axis}")
        indices = broadcast_to(indices, (*of_x[:axis], indices.shape[axis], *of_x[axis:]))
    return taken(x, indices, axis, True)


def nonzero(x: ArrayLike) -> tuple[Tensor, ...]:
    """The indices of the entries that are not 0, one tensor per axis."""
    return tuple(Tensor(i) for i in as_tensor(x)._data.nonzero())


@operation(
    x=either(
        lambda g, k, lower: _triangle(g, k, lower),
        lambda g, k, lower: kernels.triangle(g, k, lower),  # type: ignore[attr-defined]
    ),
    moves=True,
    name="triangle",
)
def _triangle(x: Any, k: int, lower: bool) -> Any:
    if x.ndim < 2:
        raise ValueError(f"tril and triu take matrices (..., rows, columns), found shape {x.shape}")
    return kernels.triangle(x, k, lower)  # type: ignore[attr-defined]


def tril(x: ArrayLike, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes; 0 above diagonal `k`."""
    return _triangle(x, k, True)


def triu(x: ArrayLike, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes; 0 below diagonal `k`."""
    return _triangle(x, k, False)


@operation(x=either(lambda g, x_shape, offset: on_diagonal(g, x_shape, offset)), moves=True)
def diagonal(x: Any, offset: int = 0) -> Any:
    """The diagonal of the last two axes, `offset` above the main one.

    Raises:
        ValueError: fewer than two dimensions.
    """
    if x.ndim < 2:
        raise ValueError(f"diagonal: shape {x.shape} has fewer than 2 dimensions")
    return x.diagonal(offset, -2, -1).copy()


@operation(x=either(lambda g, offset: diagonal(g, offset)), moves=True)
def on_diagonal(x: Any, shape: tuple[int, ...], offset: int) -> Any:
    """Zeros of `shape` with `x`, or its one entry everywhere, on that diagonal; the adjoint of `diagonal`."""
    y = xp(x).zeros(shape, x.dtype)
    rows, columns = shape[-2:]
    first, n = (offset, max(columns - offset, 0)) if offset >= 0 else (-offset * columns, columns)
    y.reshape(*shape[:-2], rows * columns)[..., first : first + n * columns : columns + 1] = x
    return y
