"""Many arrays in one launch: the table of addresses and the list of chunks of chunks.cuh.

Held by tests/kernels/test_update.py and test_norm.py.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..array_module import in_memory
from ..capture import capturing, constant
from .launch import THREADS, address, ceil_div, cupy, launch

Array = Any

CHUNK = 4096  # CHUNK in chunks.cuh


def launch_all(kernel: str, lists: Sequence[Sequence[Array]], written: Sequence[int], *last: Any) -> None:
    """The kernel over the tensors lists[0][i], lists[1][i], ... for all i, with `last` behind table and chunks.

    Those of the lists `written` are updated in place; copies stand in for awkward memory.
    """
    if not lists[0]:
        return
    table, chunks, pairs = gathered(lists)
    launch(kernel, lists[0][0].dtype, len(chunks), THREADS, table, chunks, *last)
    for views, dense in pairs:
        for k in written:
            if dense[k] is not views[k]:
                views[k][...] = dense[k].reshape(views[k].shape)


def gathered(lists: Sequence[Sequence[Array]]) -> tuple[Array, Array, list[tuple[list[Array], list[Array]]]]:
    """The table (tensors, lists + 1), the chunks (n, 2), and for each tensor its arrays, and those in the table.

    The latter may be copies: whoever launches holds them until then, or the pool gives their memory to the next.
    """
    pairs = [_dense(arrays) for arrays in zip(*lists)]
    rows = tuple((*(map(address, dense)), dense[0].size) for _, dense in pairs)
    tables = map(constant, _tables(rows)) if capturing() else _on_device(cupy(), rows)
    return *tables, pairs


def _dense(arrays: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """The arrays with their axes in the order of the first one's memory, and each of them in one piece."""
    first = arrays[0]
    order = in_memory(first)
    views = [a.transpose(*order) for a in arrays]
    return views, [cupy().ascontiguousarray(view, dtype=first.dtype) for view in views]


def _tables(rows: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
    """The table of addresses and sizes, and the list of chunks (tensor, number)."""
    chunks = [(i, k) for i, row in enumerate(rows) for k in range(ceil_div(row[-1], CHUNK))]
    return np.array(rows, np.int64), np.array(chunks, np.int64).reshape(-1, 2)


@lru_cache(maxsize=16)
def _on_device(device: Any, rows: tuple[tuple[int, ...], ...]) -> tuple[Array, ...]:
    return tuple(map(device.asarray, _tables(rows)))
