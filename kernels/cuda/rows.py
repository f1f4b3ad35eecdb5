"""Entries taken and added up by index on a CUDA device: rows of a table by rows.cu, all else by the definition."""

from typing import Any

from ..definitions import rows as definition
from .launch import ceil_div, cupy, launch

Array = Any

_ROWS = 4  # rows of the result to a block: one warp each

take = definition.take


def add_taken(g: Array, index: Array, axis: int, count: int, each: bool = False) -> Array:
    """Each entry of g added where `take` took it from, in the order of the indices.

    An index out of range raises IndexError, for which the host waits for the device.
    """
    if axis or each:
        return definition.add_taken(g, index, axis, count, each)
    shape = definition.taken_from(g, index, axis, count, each)
    definition.check_index(shape, index, axis, each)
    device = cupy()
    rows = device.ascontiguousarray(index, dtype="int64")
    rows = device.where(rows < 0, rows + count, rows)
    out = device.empty(shape, g.dtype)
    width = out.size // max(count, 1)
    grid = (ceil_div(count, _ROWS), ceil_div(width, 32))
    sizes = (index.size, count, width)
    launch("rows/add_rows_by_index", g.dtype, grid, 32 * _ROWS, device.ascontiguousarray(g), rows, out, *sizes)
    return out
