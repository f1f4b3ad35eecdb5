"""The affine map x w^T + b of a layer as one operation: the bias comes with the product, and each gradient is one
product or one sum.

Held by tests/ops/test_registry.py (orders 1 to 3), tests/nn/test_layers.py and tests/pytorch/.
"""

import math
from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import either, operation
from tinygen.ops.linalg import matmul
from tinygen.ops.manipulation import matrix_transpose


def _rows(x: Any) -> Any:
    """(..., N) as (rows, N)."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _x_gradient(g: Any, w: Any) -> Any:
    rows = kernels.matmul(_rows(g), w)  # type: ignore[attr-defined]
    return rows if g.ndim == 2 else rows.reshape(*g.shape[:-1], w.shape[1])


def _w_gradient(g: Any, x: Any) -> Any:
    return kernels.matmul(_rows(g).T, _rows(x))  # type: ignore[attr-defined]


@operation(
    x=either(lambda g, w: matmul(g, w), _x_gradient),
    w=either(lambda g, x: matmul(matrix_transpose(_rows(g)), _rows(x)), _w_gradient),
    bias=lambda g: g,  # the sum over rows: broadcasting undone
    name="linear",
)
def linear(x: Any, w: Any, bias: Any = None) -> Any:
    """x w^T + bias for x (..., I), w (O, I), bias (O,) or None: (..., O)."""
    y = kernels.matmul(_rows(x), w.T, bias)  # type: ignore[attr-defined]
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], w.shape[0])
