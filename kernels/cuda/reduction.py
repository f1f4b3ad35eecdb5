"""Sums, norms, greatest and least along axes on a CUDA device: see reduction.cu. Products are the definition's.

Nothing moves in memory but what has gaps: axes are taken in the order in which they lie, those that are reduced from
the last to the first.
"""

from itertools import groupby
from math import prod
from typing import Any

from ..array_module import in_memory, rounded_once
from ..definitions import reduction as definition
from ..definitions.reduction import reduce_prod
from .launch import THREADS, ceil_div, cupy, launch

__all__ = ["euclidean_norm", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum", "sum_of_squares"]

Array = Any
Axes = tuple[int, ...] | None

_SHORT = 32  # numbers that one thread goes through
_SPAN = 1024  # numbers that one warp goes through
_ROUNDS = 32  # numbers that one thread of a block goes through


def reduce_sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, a tuple of non-negative axes (None: all); added up in float64 and rounded once."""
    return _reduced("sum", "sum_of_parts", x, axis, keepdims) if x.size else definition.reduce_sum(x, axis, keepdims)


def sum_of_squares(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The sum of the squares over `axis`."""
    if not x.size:
        return definition.sum_of_squares(x, axis, keepdims)
    return _reduced("squares", "sum_of_parts", x, axis, keepdims)


@rounded_once
def euclidean_norm(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The root of the sum of the squares over `axis`, of numbers that are 1 at most."""
    r, scale = definition.scaled(x, axis)
    norms = cupy().sqrt(sum_of_squares(r, axis, True)) * scale
    return norms if keepdims else norms.squeeze(axis)


def reduce_max(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The greatest over `axis`; NaN if one is there."""
    if not x.size:
        return definition.reduce_max(x, axis, keepdims)
    return _reduced("greatest", "greatest_of_parts", x, axis, keepdims)


def reduce_min(x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
    """The least over `axis`; NaN if one is there."""
    if not x.size:
        return definition.reduce_min(x, axis, keepdims)
    return _reduced("least", "least_of_parts", x, axis, keepdims)


def _reduced(kernel: str, again: str, x: Array, axis: Axes, keepdims: bool) -> Array:
    """`kernel` of x, and `again` of the parts that it leaves."""
    axes = range(x.ndim) if axis is None else axis
    order = in_memory(x)
    lying = [(a in axes, x.shape[a]) for a in order if x.shape[a] > 1]
    groups = [[reduced, prod(size for _, size in run)] for reduced, run in groupby(lying, lambda pair: pair[0])]
    left = [i for i, (reduced, _) in enumerate(groups) if reduced]
    if not left:  # nothing to put together, but perhaps to be squared
        left, groups = [len(groups)], [*groups, [True, 1]]
    y = cupy().ascontiguousarray(x.transpose(*order))
    while left:
        sizes = [size for _, size in groups]
        i = left[-1]
        before, n, after = prod(sizes[:i]), sizes[i], prod(sizes[i + 1 :])
        y, chunks = _step(kernel, x.dtype, y, before, n, after, len(left) == 1)
        kernel = again
        groups[i][1] = chunks
        if chunks == 1:
            left.pop()
    y = y.reshape([1 if a in axes else x.shape[a] for a in order]).transpose(*(order.index(a) for a in range(x.ndim)))
    return y if keepdims else y.reshape([size for a, size in enumerate(x.shape) if a not in axes])


def _step(kernel: str, dtype: Any, x: Array, before: int, n: int, after: int, is_last: bool) -> tuple[Array, int]:
    """One launch: x (before, n, after) to (before, chunks, after), and how many chunks these are.

    The result has `dtype` if nothing is left to be done (`is_last`, and one chunk), else float64.
    """
    threads: Any = THREADS
    if n <= _SHORT:
        form, span = "each", n
        blocks = ceil_div(before * after, THREADS)
    elif after == 1:
        form, span = "rows", _SPAN
        blocks = ceil_div(before * ceil_div(n, span), THREADS // 32)
    else:
        threads = (min(after, 32), THREADS // min(after, 32))
        form, span = "columns", _ROUNDS * threads[1]
        blocks = before * ceil_div(n, span) * ceil_div(after, threads[0])
    chunks = ceil_div(n, span)
    done = is_last and chunks == 1
    y = cupy().empty(before * chunks * after, dtype if done else "float64")
    to = (None, y) if done else (y, None)
    launch(f"reduction/{kernel}_{form}", dtype, blocks, threads, x, *to, before, n, after, span)
    return y, chunks
