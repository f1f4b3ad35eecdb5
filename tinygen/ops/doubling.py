"""Convolutions of images doubled by nearest neighbour, without the doubled image: a quarter of its pixels are read.

Along an axis, entry 2 q + a of the doubled image, a = 0 or 1, is entry q of the image. So with k taps w, k odd, and the
padding p = (k - 1) / 2 that keeps the size

    y[o] = sum of w[t] x[q] where o + t - p = 2 q + a  =  sum over q of v[o - 2 q + p] x[q],
    v[i] = w[k - 1 - i] + w[k - i]   (absent taps are 0)

which is a transposed convolution of stride 2 with k + 1 taps. For 3 x 3 it takes 4/9 of the multiplications.
Held by tests/ops/test_registry.py (orders 1 to 3) and tests/nn/test_layers.py.
"""

from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import either, operation
from tinygen.ops.convolution import conv_transpose2d
from tinygen.ops.manipulation import as_tensor
from tinygen.tensor import ArrayLike, Tensor


@operation(w=either(lambda g: _undoubled_taps(g)), name="double_taps")
def _doubled_taps(w: Any) -> Any:
    """v (C, K, KH + 1, KW + 1) for w (K, C, KH, KW)."""
    return kernels.double_taps(w)  # type: ignore[attr-defined]


@operation(v=either(lambda g: _doubled_taps(g)), name="undouble_taps")
def _undoubled_taps(v: Any) -> Any:
    """The adjoint: (K, C, KH, KW) for v (C, K, KH + 1, KW + 1)."""
    return kernels.undouble_taps(v)  # type: ignore[attr-defined]


def conv2d_doubled(x: ArrayLike, w: ArrayLike, bias: ArrayLike | None = None, negative_slope: float = 1.0) -> Tensor:
    """conv2d(interpolate(x, scale_factor=2, mode="nearest"), w, bias, padding=half the kernel), in one operation.

    Args:
        x: images (N, C, H, W).
        w: filters (K, C, KH, KW), odd in height and width.
        bias: (K,); (N, K), one for each image; or None.
        negative_slope: as `conv2d`.

    Returns:
        (N, K, 2 H, 2 W).

    Raises:
        ValueError: shapes that do not fit, or an even kernel.
        TypeError: dtypes that differ.
    """
    x, w = as_tensor(x), as_tensor(w)
    if w.ndim != 4 or not (w.shape[2] % 2 and w.shape[3] % 2):
        raise ValueError(
            f"conv2d_doubled: filters (K, C, KH, KW), odd in height and width, are needed, found {w.shape}"
        )
    if x.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ValueError(f"conv2d_doubled: filters {w.shape} take images (N, {w.shape[1]}, H, W), found {x.shape}")
    padding = (w.shape[2] // 2, w.shape[3] // 2)
    return conv_transpose2d(x, _doubled_taps(w), bias, 2, padding, negative_slope=negative_slope)
