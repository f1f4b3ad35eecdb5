"""The nearest code on a CUDA device, without the matrix of distances: see codebook.cu."""

from typing import Any

from ..definitions.codebook import check_codebook
from .launch import ceil_div, cupy, launch

Array = Any

_ROWS = 16  # ROWS in codebook.cu


def nearest_code(z: Array, codebook: Array) -> Array:
    """int64 (N,): the index of the row of codebook (K, D) nearest to each row of z (N, D), the first of equals."""
    check_codebook(z, codebook)
    device = cupy()
    nearest = device.empty(len(z), "int64")
    inputs = (device.ascontiguousarray(a, dtype=z.dtype) for a in (z, codebook))
    launch("codebook/nearest_code", z.dtype, ceil_div(len(z), _ROWS), 256, *inputs, nearest, len(z), *codebook.shape)
    return nearest
