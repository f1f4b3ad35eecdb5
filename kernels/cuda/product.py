"""The matrix product on a CUDA device: see product.cu. What float32 is rounded to on the way: kernels/rounding.py.

A matrix that lies in memory by rows or by columns is read where it is; others are copied.
"""

from math import prod
from typing import Any

import numpy as np

from ..array_module import arithmetic
from . import gemm
from .launch import cupy

Array = Any


def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """a (..., M, K) times b (..., K, N), leading sizes broadcast, plus bias (N,) or none: (..., M, N). One axis alone
    is that of a vector.

    Raises:
        ValueError: sizes that do not fit.
    """
    if a.ndim == 1 or b.ndim == 1:
        y = matmul(a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b, bias)
        y = y[..., 0] if b.ndim == 1 else y
        return y if a.ndim > 1 else y[..., 0, :] if b.ndim > 1 else y[..., 0]
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"matmul: mismatch of sizes: {a.shape} and {b.shape} have {a.shape[-1]} and {b.shape[-2]} within"
        )
    dtype = a.dtype if a.dtype == b.dtype else np.result_type(a.dtype, b.dtype)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = cupy().empty((*lead, a.shape[-2], b.shape[-1]), dtype)
    if (
        a.flags.c_contiguous and a.shape[:-2] == lead and prod(b.shape[:-2]) == 1
    ):  # one matrix serves all rows there are
        a, lead = a.reshape(prod(a.shape[:-1]), a.shape[-1]), ()
    a, b = _Operand(a, lead, dtype), _Operand(b, lead, dtype)
    along_depth = (a.by_rows, not b.by_rows)
    names = {"A_ALONG_DEPTH": int(along_depth[0]), "B_ALONG_DEPTH": int(along_depth[1])}
    names["WIDTH"] = gemm.width(a.memory, b.memory)
    plan = gemm.choose(dtype, a.rows, b.columns, a.columns, prod(lead))
    gemm.product(
        "product/multiply_matrices",
        plan,
        y,
        None if bias is None else cupy().ascontiguousarray(bias, dtype=arithmetic(dtype)),
        *(a.memory, b.memory, a.step, b.step),
        along_depth=along_depth,
        constants_of_loaders=names,
    )
    return y


class _Operand:
    """One matrix, or one for each of `lead`, as the kernel takes them: one after the other, each in one piece."""

    def __init__(self, x: Array, lead: tuple[int, ...], dtype: Any) -> None:
        self.rows, self.columns = x.shape[-2:]
        if prod(x.shape[:-2]) == 1:  # serves all
            x, self.step = x.reshape(x.shape[-2:]), 0
        else:
            x, self.step = cupy().broadcast_to(x, (*lead, *x.shape[-2:])), self.rows * self.columns
        x = x.astype(dtype, copy=False)
        self.by_rows = not x.swapaxes(-1, -2).flags.c_contiguous or x.flags.c_contiguous
        self.memory = cupy().ascontiguousarray(x if self.by_rows else x.swapaxes(-1, -2))
