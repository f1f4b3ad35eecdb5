"""Rows of memory copied on every thread. Held by tests/kernels/test_joining.py."""

import numpy as np

from ..definitions.arithmetic import LARGE
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import LANES
from .threads import thread_count

Array = np.ndarray


@task
def _copy_rows(block, part, parts):
    """Arguments: x, y, from their first entries on; rows, length, and the distance of rows in x and in y."""
    x, y = floats(block, 0), floats(block, 1)
    rows, length, x_step, y_step = integer(block, 2), integer(block, 3), integer(block, 4), integer(block, 5)
    for r in range(rows * part // parts, rows * (part + 1) // parts):
        for j in range(0, length, LANES):
            store_vector(y, r * y_step + j, length - j, load_vector(x, r * x_step + j, length - j, 0))


def copy_rows(x: Array, y: Array, rows: int, length: int, x_step: int, y_step: int) -> None:
    """Copies `rows` rows of `length` entries, at distances `x_step` and `y_step`, from the first entry of x to y's."""
    launch(_copy_rows, thread_count(x.size, LARGE // 2), x, y, rows, length, x_step, y_step)
