"""`interpolate`: images in another size, by the nearest entry or linearly along each axis, as PyTorch's.

Nearest: output place i takes input floor(i in / out). Bilinear: place i lies at (i + 1/2) in / out - 1/2, or at
i (in - 1) / (out - 1) when the corners are aligned. Both are linear maps along each axis, so every gradient is exact.
Held by tests/nn/test_layers.py and tests/pytorch/.
"""

import math
from typing import Any

import numpy as np

from tinygen.device import transfer
from tinygen.ops.convolution import Pair, pair
from tinygen.ops.indexing import take
from tinygen.ops.linalg import floating, matmul
from tinygen.ops.manipulation import as_tensor, matrix_transpose
from tinygen.ops.pooling import spread_windows
from tinygen.tensor import ArrayLike, Tensor


def _sizes(x: Tensor, size: Any, scale_factor: Any) -> tuple[Pair, tuple[float, float]]:
    """The output's size, and for each axis the input places that one output place is apart."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give one of size and scale_factor")
    if size is not None:
        target = pair("size", size, 1)
        return target, (x.shape[2] / target[0], x.shape[3] / target[1])
    factors = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else (scale_factor, scale_factor)
    if len(factors) != 2 or not all(f > 0 for f in factors):
        raise ValueError(f"interpolate: scale_factor is a positive number or a pair of them, not {scale_factor!r}")
    target = (math.floor(x.shape[2] * factors[0]), math.floor(x.shape[3] * factors[1]))
    if min(target) < 1:
        raise ValueError(f"interpolate: scale_factor={scale_factor} leaves nothing of shape {x.shape}")
    return target, (1.0 / factors[0], 1.0 / factors[1])


def _weights(count: int, size: int, apart: float, align_corners: bool, dtype: Any) -> np.ndarray:
    """The matrix (size, count) that interpolates linearly along one axis."""
    i = np.arange(size, dtype=np.float64)
    if align_corners:
        places = i * ((count - 1) / (size - 1)) if size > 1 else i * 0.0
    else:
        places = np.maximum((i + 0.5) * apart - 0.5, 0.0)
    low = np.minimum(places.astype(np.int64), count - 1)
    high = np.minimum(low + 1, count - 1)
    share = places - low
    matrix = np.zeros((size, count))
    np.add.at(matrix, (np.arange(size), low), 1.0 - share)
    np.add.at(matrix, (np.arange(size), high), share)
    return matrix.astype(dtype)


def interpolate(
    x: ArrayLike,
    size: int | Pair | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Images (N, C, H, W) resized.

    Args:
        size: (OH, OW), or one int for both.
        scale_factor: instead of the size; OH = floor(H scale_factor).
        mode: "nearest" or "bilinear".
        align_corners: bilinear: corner entries keep their values, the grid is stretched between them.

    Raises:
        ValueError: an unknown mode, both or none of size and scale_factor, or sizes below 1.
    """
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"interpolate: images (N, C, H, W) are needed, found shape {x.shape}")
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f'interpolate: mode is "nearest" or "bilinear", not {mode!r}')
    if mode == "nearest" and align_corners:
        raise ValueError('interpolate: align_corners is for mode "bilinear"')
    (h, w), (down, across) = _sizes(x, size, scale_factor)
    if mode == "nearest":
        if h % x.shape[2] == 0 and w % x.shape[3] == 0 and down == x.shape[2] / h and across == x.shape[3] / w:
            factors = (h // x.shape[2], w // x.shape[3])
            return spread_windows(x, (h, w), factors, factors, (0, 0))
        rows = np.minimum((np.arange(h) * down).astype(np.int64), x.shape[2] - 1)
        columns = np.minimum((np.arange(w) * across).astype(np.int64), x.shape[3] - 1)
        return take(take(x, rows, axis=2), columns, axis=3)
    floating("interpolate", x)
    vertical = transfer(_weights(x.shape[2], h, down, align_corners, x.dtype), x.device)
    horizontal = transfer(_weights(x.shape[3], w, across, align_corners, x.dtype), x.device)
    return matmul(matmul(Tensor(vertical), x), matrix_transpose(Tensor(horizontal)))
