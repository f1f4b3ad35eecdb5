"""Sums of large float32 arrays over axes that are adjacent in memory and not the last there, on every thread.

The array is seen as matrices whose rows are added up, a block of rows at a time (block_sums.py). Other axes, dtypes and
reductions are the definition's, which is NumPy's: on one thread. Held by tests/kernels/test_reduction.py.
"""

import math
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
_add: Any = np.add.reduce  # what x.sum() calls, by way of Python


@lru_cache(maxsize=512)
def _as_matrices(shape: Sizes, steps: Sizes, axes: Sizes) -> tuple[Sizes, Sizes, Sizes] | None:
    """How the sum over `axes` is one over the rows of matrices: how many there are, their rows and columns; the sizes
    of the sum as it lies in memory; the order of its axes there. None where it is not, or NumPy is as fast."""
    x = np.lib.stride_tricks.as_strided(np.empty(0, np.float32), shape, steps)  # nothing looks into it
    order = in_memory(x)
    places = sorted(order.index(a) for a in axes)
    before, after = order[: places[0]] if places else [], order[places[-1] + 1 :] if places else []
    columns = math.prod(shape[i] for i in after)
    adjacent = len(before) + len(axes) + len(after) == len(shape)
    if not adjacent or not without_gaps(x) or columns > _LONG or (columns < _FEW and before):
        return None
    matrices = math.prod(shape[i] for i in before)
    kept = before + after
    rows = math.prod(shape) // (matrices * columns)
    return (matrices, rows, columns), tuple(shape[i] for i in kept), tuple(np.argsort(kept).tolist())


def reduce_sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, a tuple of non-negative axes (None: all)."""
    if x.size < LARGE:
        return _add(x, axis, None, None, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis
    found = _as_matrices(x.shape, x.strides, axes) if x.dtype == np.float32 else None
    if found is None:
        return definition.reduce_sum(x, axis, keepdims)
    from .block_sums import sum_rows  # Numba is loaded where it is needed first: small sums do without

    sizes, kept, order = found
    total = sum_rows(x, *sizes).reshape(kept).transpose(order)
    return np.expand_dims(total, axes) if keepdims else total
