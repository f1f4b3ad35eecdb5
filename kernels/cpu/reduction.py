"""Sums of large float32 arrays over axes that are adjacent in memory and not the last there, on every thread.

The array is seen as matrices whose rows are added up, a block of rows at a time (block_sums.py). Other axes, dtypes and
reductions are the definition's, which is NumPy's: on one thread. Held by tests/kernels/test_reduction.py.
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
from ..definitions.reduction import Axes, reduce_max, reduce_min, sum_of_squares

__all__ = ["reduce_max", "reduce_min", "reduce_sum", "sum_of_squares"]

Array = np.ndarray
Sizes = tuple[int, ...]

_LONG = 1024  # columns from which on NumPy, which adds row to row, is as fast
_FEW = 16  # columns below which many small matrices are NumPy's, too
_FLOAT = np.dtype(np.float32)
_add: Any = np.add.reduce  # what x.sum() calls, by way of Python


@lru_cache(maxsize=512)
def _over_rows(shape: Sizes, steps: Sizes, axis: Axes, keepdims: bool) -> Callable[[Array], Array] | None:
    """How arrays of `shape` and `steps` are summed over `axis`, as the rows of matrices; None where NumPy's way is it,
    or is as fast."""
    axes = tuple(range(len(shape))) if axis is None else axis
    x = np.lib.stride_tricks.as_strided(np.empty(0, np.float32), shape, steps)  # nothing looks into it
    order = in_memory(x)
    places = sorted(order.index(a) for a in axes)
    before, after = order[: places[0]] if places else [], order[places[-1] + 1 :] if places else []
    columns = math.prod(shape[i] for i in after)
    adjacent = len(before) + len(axes) + len(after) == len(shape)
    if not adjacent or not without_gaps(x) or columns > _LONG or (columns < _FEW and before):
        return None
    from .block_sums import sum_rows  # Numba is loaded where it is needed first: small sums do without

    matrices = math.prod(shape[i] for i in before)
    rows = math.prod(shape) // (matrices * columns)
    left = [*before, *after, *(axes if keepdims else ())]  # the axes of the sum, as it lies in memory
    sizes = tuple([1 if i in axes else shape[i] for i in left])
    back = tuple(np.argsort(left).tolist())
    return lambda x: sum_rows(x, sizes, matrices, rows, columns).transpose(back)


def reduce_sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, a tuple of non-negative axes (None: all)."""
    if x.size < LARGE:
        return _add(x, axis, None, None, keepdims)
    total = _over_rows(x.shape, x.strides, axis, keepdims) if x.dtype == _FLOAT else None
    return definition.reduce_sum(x, axis, keepdims) if total is None else total(x)
