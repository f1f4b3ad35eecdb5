"""The affine map x w^T + b of a layer as one operation: the bias comes with the product, and each gradient is one
product or one sum.

Held by tests/ops/test_registry.py (orders 1 to 3), tests/nn/test_layers.py and tests/pytorch/.
"""

import math
from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import operation
from tinygen.autodiff.tape import mode
from tinygen.ops.linalg import matmul
from tinygen.ops.manipulation import matrix_transpose
from tinygen.tensor import Tensor


def _rows(x: Any) -> Any:
    """(..., N) as (rows, N)."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _x_vjp(g: Tensor, w: Tensor) -> Tensor:
    if mode.recording:
        return matmul(g, w)
    rows = kernels.matmul(_rows(g._data), w._data)  # type: ignore[attr-defined]
    return Tensor(rows if g.ndim == 2 else rows.reshape(*g.shape[:-1], w.shape[1]))


def _w_vjp(g: Tensor, x: Tensor) -> Tensor:
    if mode.recording:
        return matmul(matrix_transpose(_rows(g)), _rows(x))
    return Tensor(kernels.matmul(_rows(g._data).T, _rows(x._data)))  # type: ignore[attr-defined]


@operation(x=_x_vjp, w=_w_vjp, bias=lambda g: g, name="linear")  # the sum over rows: broadcasting undone
def linear(x: Any, w: Any, bias: Any = None) -> Any:
    """x w^T + bias for x (..., I), w (O, I), bias (O,) or None: (..., O)."""
    y = kernels.matmul(_rows(x), w.T, bias)  # type: ignore[attr-defined]
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], w.shape[0])
