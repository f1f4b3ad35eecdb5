"""Rows added up by index: each thread owns a range of the result, so the order of additions is that of the indices.

The same function as kernels/definitions/rows.py, held to it, bit by bit, by tests/kernels/test_rows.py.
"""

import numpy as np

from ..definitions import rows as definition
from .launch import floats, integer, integers, launch, task
from .packing import load_vector, store_vector
from .simd import LANES
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 18  # elements worth a thread's waking: each of them reads all indices


@task
def _add(block, part, parts):
    """Arguments: g, rows, out; width."""
    g, rows, out, width = floats(block, 0), integers(block, 1), floats(block, 2), integer(block, 3)
    count = out.size // width
    first, stop = count * part // parts, count * (part + 1) // parts
    for i in range(rows.size):
        if first <= rows[i] < stop:
            to, of = rows[i] * width, i * width
            for j in range(0, width, LANES):
                left = width - j
                total = load_vector(out, to + j, left, 0) + load_vector(g, of + j, left, 0)
                store_vector(out, to + j, left, total)


def add_rows(g: Array, rows: Array, count: int) -> Array:
    """out (count, ...) with out[r] the sum of g[i] over all i with rows[i] = r; see the definition."""
    if g.dtype != np.float32 or not g.size:
        return definition.add_rows(g, rows, count)
    definition.check_rows(g, rows, count)
    out = np.zeros((count, *g.shape[1:]), np.float32)
    width = g.size // g.shape[0]
    indices = np.ascontiguousarray(rows, np.intp)
    launch(_add, thread_count(g.size, _SERIAL), np.ascontiguousarray(g).reshape(-1), indices, out.reshape(-1), width)
    return out
