"""Rows added up by index on a CUDA device: see rows.cu."""

from typing import Any

from ..definitions.rows import check_rows
from .launch import ceil_div, cupy, launch

Array = Any

_ROWS = 4  # rows of the result to a block: one warp each


def add_rows(g: Array, rows: Array, count: int) -> Array:
    """out (count, ...) with out[r] the sum of g[i] over all i with rows[i] = r, in the order of i; else 0.

    An index out of range raises ValueError, for which the host waits for the device.
    """
    check_rows(g, rows, count)
    device = cupy()
    out = device.empty((count, *g.shape[1:]), g.dtype)
    width = out.size // max(count, 1)
    grid = (ceil_div(count, _ROWS), ceil_div(width, 32))
    indices = device.ascontiguousarray(rows, dtype="int64")
    sizes = (len(g), count, width)
    launch("rows/add_rows_by_index", g.dtype, grid, 32 * _ROWS, device.ascontiguousarray(g), indices, out, *sizes)
    return out
