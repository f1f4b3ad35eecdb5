"""Sums of large float32 arrays over axes that are adjacent in memory and not the last there, on every thread.

The array is seen as matrices whose rows are added up, a block of rows at a time (block_sums.py). Other axes, dtypes and
reductions are the definition's, which is NumPy's: on one thread. Held by tests/kernels/test_reduction.py.
"""

import math

import numpy as np

from ..array_module import in_memory
from ..definitions import reduction as definition
from ..definitions.arithmetic import LARGE
from ..definitions.reduction import Axes, reduce_max, reduce_min, sum_of_squares

__all__ = ["reduce_max", "reduce_min", "reduce_sum", "sum_of_squares"]

Array = np.ndarray

_LONG = 1024  # columns from which on NumPy, which adds row to row, is as fast
_FEW = 16  # columns below which many small matrices are NumPy's, too


def reduce_sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, a tuple of non-negative axes (None: all)."""
    if x.size < LARGE:
        return x.sum(axis=axis, keepdims=keepdims)
    if x.dtype != np.float32:
        return definition.reduce_sum(x, axis, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis
    order = in_memory(x)
    view, places = x.transpose(order), sorted(order.index(a) for a in axes)
    before, after = order[: places[0]] if places else [], order[places[-1] + 1 :] if places else []
    columns = math.prod(x.shape[i] for i in after)
    adjacent = len(before) + len(axes) + len(after) == x.ndim
    if not adjacent or not view.flags.c_contiguous or columns > _LONG or (columns < _FEW and before):
        return definition.reduce_sum(x, axis, keepdims)
    from .block_sums import block_sums, sum_rows  # Numba is loaded where it is needed first: small sums do without

    matrices = math.prod(x.shape[i] for i in before)
    rows = x.size // (matrices * columns)
    total = sum_rows(view.reshape(rows, columns)) if matrices == 1 else block_sums(view.reshape(-1, rows, columns))
    kept = before + after
    total = total.astype(np.float32).reshape([x.shape[i] for i in kept]).transpose(np.argsort(kept))
    return np.expand_dims(total, axes) if keepdims else total
