"""Large float32 arrays without gaps reduced over axes, on every thread; all others by NumPy, as the definitions.

Axes that are adjacent in memory are one: the array is matrices, one behind another, whose rows are folded into one
(folds.py). Of axes that are not, the last ones go first. Held by tests/kernels/test_reduction.py.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..array_module import in_memory
from ..definitions import reduction as definition
from ..definitions.arithmetic import LARGE
from ..definitions.joining import without_gaps
from ..definitions.reduction import Axes

Array = np.ndarray
Sizes = tuple[int, ...]

_FEW = 16  # columns below which many small matrices are NumPy's
_ALONE = 1 << 13  # numbers of which OpenBLAS takes the product on one thread
_FLOAT = np.dtype(np.float32)
_add: Any = np.add.reduce  # what x.sum() calls, by way of Python; and so on
_multiply: Any = np.multiply.reduce
_greatest: Any = np.maximum.reduce
_least: Any = np.minimum.reduce
_dot: Any = np.vecdot


@lru_cache(maxsize=512)
def _folds(name: str, shape: Sizes, steps: Sizes, axis: Axes, keepdims: bool) -> Callable[[Array], Array] | None:
    """How fold `name` (folds.py) is made of arrays of `shape` and `steps` over `axis`; None where it is NumPy's."""
    axes = tuple(range(len(shape))) if axis is None else axis
    x = np.lib.stride_tricks.as_strided(np.empty(0, np.float32), shape, steps)  # nothing looks into it
    order = in_memory(x)
    places = sorted(order.index(a) for a in axes)
    if not places or not without_gaps(x):
        return None
    first = max(p for p in places if p - 1 not in places)  # of those that are adjacent, the last ones in memory
    before, run, after = order[:first], order[first : places[-1] + 1], order[places[-1] + 1 :]
    matrices, rows, columns = (math.prod(shape[i] for i in part) for part in (before, run, after))
    if before and 1 < columns < _FEW:
        return None
    from . import folds  # Numba is loaded where it is needed first: small reductions do without

    whole = len(run) == len(axes)
    left = [*before, *after, *(run if keepdims or not whole else ())]  # the axes of the result, as it lies in memory
    sizes = tuple([1 if i in run else shape[i] for i in left])
    back = tuple(np.argsort(left).tolist())
    made = folds.fold(getattr(folds, name), sizes, matrices, rows, columns)
    if whole:
        return made if back == tuple(range(len(back))) else lambda x: made(x).transpose(back)
    rest, then = tuple([a for a in axes if a not in run]), "SUM" if name == "SQUARES" else name

    def one_after_the_other(x: Array) -> Array:
        y = _reduced(then, made(x).transpose(back), rest, True)
        return y if keepdims else y.squeeze(axes)

    return one_after_the_other


_DEFINITIONS: dict[str, Callable[..., Any]] = {
    "SUM": definition.reduce_sum,
    "PRODUCT": definition.reduce_prod,
    "SQUARES": definition.sum_of_squares,
    "NORM": definition.euclidean_norm,
    "GREATEST": definition.reduce_max,
    "LEAST": definition.reduce_min,
}


def _reduced(name: str, x: Array, axis: Axes, keepdims: bool) -> Array:
    found = None
    if x.size >= LARGE and x.dtype == _FLOAT:
        found = _folds(name, x.shape, x.strides, axis, keepdims)
    return _DEFINITIONS[name](x, axis, keepdims) if found is None else found(x)  # type: ignore[no-any-return]


def reduce_sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, a tuple of non-negative axes (None: all)."""
    return _add(x, axis, None, None, keepdims) if x.size < LARGE else _reduced("SUM", x, axis, keepdims)


def reduce_prod(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The product over `axis`."""
    return _multiply(x, axis, None, None, keepdims) if x.size < LARGE else _reduced("PRODUCT", x, axis, keepdims)


def sum_of_squares(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum of the squares over `axis`."""
    return _add(x * x, axis, None, None, keepdims) if x.size < LARGE else _reduced("SQUARES", x, axis, keepdims)


def euclidean_norm(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The root of the sum of the squares over `axis`."""
    if x.size >= LARGE or x.dtype is not _FLOAT:
        return _reduced("NORM", x, axis, keepdims)
    x = x.astype(np.float64)
    if axis is None and not keepdims and x.size < _ALONE:
        flat = x.reshape(-1)
        return np.asarray(math.sqrt(flat.dot(flat)), _FLOAT)  # a third of the time of the sum
    if axis is not None and len(axis) == 1 and not keepdims and x.size < _ALONE:
        return np.sqrt(_dot(x, x, axis=axis[0])).astype(_FLOAT)
    return np.sqrt(_add(x * x, axis, None, None, keepdims)).astype(_FLOAT)


def reduce_max(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The greatest over `axis`; NaN if one is there. No numbers have none: ValueError."""
    if axis is None and not keepdims and 0 < x.size < LARGE:
        flat = x.reshape(-1)
        return flat[flat.argmax()]  # the place of the first NaN, too; half the time of the next line
    return _greatest(x, axis, None, None, keepdims) if x.size < LARGE else _reduced("GREATEST", x, axis, keepdims)


def reduce_min(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The least over `axis`; NaN if one is there. No numbers have none: ValueError."""
    if axis is None and not keepdims and 0 < x.size < LARGE:
        flat = x.reshape(-1)
        return flat[flat.argmin()]
    return _least(x, axis, None, None, keepdims) if x.size < LARGE else _reduced("LEAST", x, axis, keepdims)
