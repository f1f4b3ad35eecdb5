"""`interpolate`: images in another size, by the nearest entry or linearly along each axis, as PyTorch's.

Nearest: output place i takes input floor(i in / out). Bilinear: place i lies at (i + 1/2) in / out - 1/2, or at
i (in - 1) / (out - 1) when the corners are aligned. Both are linear maps along each axis, so every gradient is exact.
Held by tests/nn/test_layers.py and tests/pytorch/.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from tinygen.device import transfer
from tinygen.ops.convolution import Pair, pair
from tinygen.ops.indexing import taken
from tinygen.ops.linalg import floating, matmul
from tinygen.ops.manipulation import as_tensor
from tinygen.ops.pooling import spread_windows
from tinygen.tensor import ArrayLike, Tensor


def _sizes(shape: tuple[int, ...], size: Any, scale_factor: Any) -> tuple[Pair, tuple[float, float]]:
    """The output's size, and for each axis the input places that one output place is apart."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give one of size and scale_factor")
    if size is not None:
        target = pair("size", size, 1)
        return target, (shape[2] / target[0], shape[3] / target[1])
    factors = scale_factor if isinstance(scale_factor, tuple) else (scale_factor, scale_factor)
    if len(factors) != 2 or not all(f > 0 for f in factors):
        raise ValueError(f"interpolate: scale_factor is a positive number or a pair of them, not {scale_factor!r}")
    target = (math.floor(shape[2] * factors[0]), math.floor(shape[3] * factors[1]))
    if min(target) < 1:
        raise ValueError(f"interpolate: scale_factor={scale_factor} leaves nothing of shape {shape}")
    return target, (1.0 / factors[0], 1.0 / factors[1])


@lru_cache(maxsize=256)
def _plan(shape: tuple[int, ...], dtype: Any, size: Any, scale_factor: Any, mode: str, align_corners: bool) -> Any:
    """What is found once for each shape: (size, factors) where each entry is repeated so many times; else for each axis
    the places that are taken or, for mode "bilinear", the matrix that interpolates, that of the columns transposed."""
    if len(shape) != 4:
        raise ValueError(f"interpolate: images (N, C, H, W) are needed, found shape {shape}")
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f'interpolate: mode is "nearest" or "bilinear", not {mode!r}')
    if mode == "nearest" and align_corners:
        raise ValueError('interpolate: align_corners is for mode "bilinear"')
    target, apart = _sizes(shape, size, scale_factor)
    each = list(zip(shape[2:], target, apart))
    if mode == "bilinear":
        rows, columns = (_weights(n, m, step, align_corners, dtype) for n, m, step in each)
        return rows, columns.T
    if all(m % n == 0 and step == n / m for n, m, step in each):
        return target, tuple(m // n for n, m, _ in each)
    return [np.minimum((np.arange(m) * step).astype(np.int64), n - 1) for n, m, step in each]


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
    array, device = x._data, x.device
    given = [tuple(v) if isinstance(v, list) else v for v in (size, scale_factor)]
    vertical, horizontal = _plan(array.shape, array.dtype, *given, mode, align_corners)
    if isinstance(vertical, tuple):
        return spread_windows(x, vertical, horizontal, horizontal, (0, 0))
    rows, columns = Tensor(transfer(vertical, device)), Tensor(transfer(horizontal, device))
    if mode == "nearest":
        return taken(taken(x, rows, 2), columns, 3)
    floating("interpolate", array)
    return matmul(matmul(rows, x), columns)
