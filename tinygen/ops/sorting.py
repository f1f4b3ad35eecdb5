"""Order along an axis: sorting, what is found in it, and which different values there are.

`sort` moves entries and keeps where each came from, so its gradient moves them back.
Held by tests/ops/test_sorting.py and tests/ops/test_registry.py.
"""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygen.autodiff.primitive import Kept, either, operation
from tinygen.kernels.array_module import xp
from tinygen.ops.indexing import scatter_add
from tinygen.ops.manipulation import as_tensor, reshape
from tinygen.tensor import ArrayLike, Tensor, float32

_FEW = 2048  # entries that are sorted sooner than made into integers


@operation()
def argsort(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The indices that sort along `axis`; NaN comes last, or first when `descending`."""
    kind: Any = "stable" if stable else "quicksort"
    if type(x) is np.ndarray and x.dtype is float32:
        if x.size >= _FEW and -x.ndim <= axis < x.ndim and x.shape[axis] < 1 << 31:
            return _order_of_floats(x, axis, descending)
        if not descending:
            return x.argsort(axis, kind)
    if not descending:
        return xp(x).argsort(x, axis=axis, kind=kind)
    order = xp(x).flip(xp(x).argsort(xp(x).flip(x, axis), axis=axis, kind=kind), axis)
    return x.shape[axis] - 1 - order


def _order_of_floats(x: Any, axis: int, descending: bool) -> Any:
    """The same of float32, by sorting integers: a number's order above, its index below, so that no two are equal and
    none has to be called stable. NumPy sorts integers in vectors, ten times as fast as it finds a stable order."""
    bits = (x + float32.type(0)).view(np.int32)  # -0 is 0
    key = bits >> 31
    key &= 0x7FFFFFFF
    key ^= bits  # below 0, greater bits are lesser numbers
    if np.isnan(x.max()):
        key[np.isnan(x)] = 0x7FFFFFFF
    if descending:
        np.invert(key, out=key)
    both = np.left_shift(key, 32, dtype=np.int64)
    size = [1] * x.ndim
    size[axis] = -1
    both |= np.arange(x.shape[axis], dtype=np.int64).reshape(size)
    both.sort(axis=axis)
    both &= 0xFFFFFFFF
    return both


def _places(order: Any, axis: int) -> Any:
    """Where in the flattened array the entries lie that have the indices `order` along `axis`; written over these."""
    inner = prod(order.shape[axis + 1 :])
    if inner > 1:
        order *= inner
    order += (_known if order.size < _FEW and type(order) is np.ndarray else _starts)(xp(order), order.shape, axis)
    return order


def _starts(module: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Where in an array of `shape`, flattened, the rows along `axis` begin; for reading only."""
    inner = prod(shape[axis + 1 :])
    starts = module.arange(0, prod(shape), shape[axis] * inner).reshape(-1, 1) + module.arange(inner)
    return starts.reshape(*shape[:axis], 1, *shape[axis + 1 :])


_known = lru_cache(maxsize=256)(_starts)


def _sort_gradient(g: Any, places: Any) -> Any:
    moved_back = xp(g).empty_like(g, order="C")
    moved_back.reshape(-1)[places.reshape(-1)] = g.reshape(-1)
    return moved_back


@operation(
    x=either(
        lambda g, places: reshape(scatter_add(reshape(g, (-1,)), places.reshape(-1), (g.size,)), g.shape),
        _sort_gradient,
    ),
    moves=True,
)
def sort(x: Any, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The entries in order along `axis`; NaN comes last, or first when `descending`."""
    order = argsort.forward(x, axis, descending, stable)
    places = _places(order, axis % x.ndim) if x.size else order
    return Kept(x.reshape(-1).take(places), places=places)


@operation()
def searchsorted(x: Any, values: Any, side: str = "left") -> Any:
    """Where each of `values` belongs in the sorted 1-D `x`."""
    return xp(x).searchsorted(x, values, side=side)


class Unique(NamedTuple):
    """What `unique_all` gives: the different values in order, where each first occurs in the flattened array, which
    of them each entry is, and how often each occurs."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: ArrayLike) -> Unique:
    """The different entries, in order, with their places and counts."""
    array = as_tensor(x)._data
    values, indices, inverse, counts = xp(array).unique(array, True, True, True)
    return Unique(Tensor(values), Tensor(indices), Tensor(inverse.reshape(array.shape)), Tensor(counts))


def unique_counts(x: ArrayLike) -> UniqueCounts:
    """The different entries, in order, and how often each occurs."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: ArrayLike) -> UniqueInverse:
    """The different entries, in order, and which of them each entry of `x` is."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: ArrayLike) -> Tensor:
    """The different entries, in order."""
    return unique_all(x).values
