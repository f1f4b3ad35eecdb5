"""Softmax and layer normalisation of rows in Numba-CUDA. Read beside kernels/cuda/softmax.cu and normalisation_rows.cu.

One block a row: its threads stride along it, and put their parts together in shared memory. The CUDA C++ gives a row to
a warp instead, whose lanes read each other's registers by shuffles and need no barrier; Numba has `cuda.shfl_xor_sync`
too, but its simulator does not.
"""

import math
from collections.abc import Callable
from typing import Any

import numba.cuda
from numba import float64

from ..array_module import xp
from ..definitions.normalisation import check_trailing

Array = Any
cuda: Any = numba.cuda  # whose annotations are not those of its device functions

THREADS = 64  # of a block: a power of two, so that they can be halved down to one


def _across_block(combine: Callable[..., Any]) -> Callable[..., Any]:
    """A function for kernels: the values that the threads of a block bring, combined, in every thread."""
    combine = cuda.jit(device=True)(combine)

    @cuda.jit(device=True)
    def across(value):  # type: ignore[no-untyped-def]
        parts = cuda.shared.array(THREADS, float64)  # one array for the whole block
        i = cuda.threadIdx.x
        parts[i] = value
        cuda.syncthreads()  # until all parts are written
        half = THREADS // 2
        while half > 0:
            if i < half:
                parts[i] = combine(parts[i], parts[i + half])  # a tree: 64 values in 6 steps
            cuda.syncthreads()  # outside the `if`: every thread must come to a barrier
            half //= 2
        result = parts[0]
        cuda.syncthreads()  # before the next call overwrites what others still read
        return result

    return across


_sum = _across_block(lambda a, b: a + b)
_greatest = _across_block(lambda a, b: b if b > a else a)  # Numba's own CUDA target does not know max()


@cuda.jit
def _softmax_rows(x, y):  # type: ignore[no-untyped-def]
    row, start, columns = cuda.blockIdx.x, cuda.threadIdx.x, x.shape[1]  # an array knows its shape here
    m = -math.inf
    for i in range(start, columns, THREADS):  # neighbours in memory are read at the same moment
        m = x[row, i] if x[row, i] > m else m  # NaN is passed over here, and comes back in the sum
    m = _greatest(m)
    total = 0.0
    for i in range(start, columns, THREADS):
        total += math.exp(x[row, i] - m)  # at most 1: it cannot overflow
    total = _sum(total)
    for i in range(start, columns, THREADS):
        y[row, i] = math.exp(x[row, i] - m) / total  # computed again: that is cheaper than to keep it


def softmax(x: Array, axis: int) -> Array:
    """exp(x) normalised to sum 1 along `axis`; same shape as x."""
    device = xp(x)
    x = device.ascontiguousarray(device.moveaxis(x, axis, -1))
    y = device.empty(x.shape, x.dtype)
    if y.size:  # a grid has at least one block
        x_rows, y_rows = (a.reshape(-1, a.shape[-1]) for a in (x, y))
        _softmax_rows[len(x_rows), THREADS](x_rows, y_rows)
    return device.moveaxis(y, -1, axis)


@cuda.jit
def _layer_norm_rows(x, weight, bias, eps, y, mean, rstd):  # type: ignore[no-untyped-def]
    row, start, columns = cuda.blockIdx.x, cuda.threadIdx.x, x.shape[1]
    m = 0.0
    for i in range(start, columns, THREADS):
        m += x[row, i]
    m = _sum(m) / columns
    squares = 0.0
    for i in range(start, columns, THREADS):
        squares += (x[row, i] - m) ** 2  # of the centred: no digits cancel
    r = 1 / math.sqrt(_sum(squares) / columns + eps)
    for i in range(start, columns, THREADS):
        z = (x[row, i] - m) * r
        if weight is not None:  # decided when it is compiled: None has a type of its own
            z *= weight[i]
        if bias is not None:
            z += bias[i]
        y[row, i] = z
    if start == 0:  # all threads have the same numbers: one writes them
        mean[row] = m
        rstd[row] = r


def layer_norm(
    x: Array, ndim_normalised: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """x (*rows, *D) over its last `ndim_normalised` dimensions D: y like x, mean (*rows), rstd (*rows)."""
    check_trailing("layer_norm", x, ndim_normalised, weight, bias)
    device, leading = xp(x), x.shape[: x.ndim - ndim_normalised]
    y, mean, rstd = (device.empty(shape, x.dtype) for shape in (x.shape, leading, leading))
    if x.size:
        matrix = (mean.size, x.size // mean.size)
        weight, bias = (None if p is None else device.ascontiguousarray(p).reshape(-1) for p in (weight, bias))
        inputs = device.ascontiguousarray(x).reshape(matrix), weight, bias, eps
        _layer_norm_rows[mean.size, THREADS](*inputs, y.reshape(matrix), mean.reshape(-1), rstd.reshape(-1))
    return y, mean, rstd
