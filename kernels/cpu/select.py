"""A choice between two arrays on every thread. NumPy's own branches at every entry: 20 times as slow on a random mask.

The same function as kernels/definitions/select.py, held to it, bit by bit, by tests/kernels/test_select.py. float32 and
equal shapes only (b may be a number); the rest is the definition.
"""

import numpy as np

from ..array_module import flat_like
from ..definitions import select as definition
from .compiled import njit
from .launch import flags, floats, launch, task
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 17  # elements worth a thread's waking


@njit()
def _choose(condition, a, b, y):
    for i in range(y.size):
        u, v = a[i], b[i]  # both loaded whatever the condition: no branch
        y[i] = u if condition[i] else v


@njit()
def _choose_number(condition, a, b, y):
    for i in range(y.size):
        u = a[i]
        y[i] = u if condition[i] else b


@task
def _select(block, part, parts):
    """Arguments: condition, a, b, y; b has one entry or as many as the others."""
    condition, a, b, y = flags(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    first, stop = y.size * part // parts, y.size * (part + 1) // parts
    if b.size == y.size:
        _choose(condition[first:stop], a[first:stop], b[first:stop], y[first:stop])
    else:
        _choose_number(condition[first:stop], a[first:stop], b[0], y[first:stop])


def select(a: Array, condition: Array, b: Array | float) -> Array:
    """a where `condition` holds, else b; see the definition."""
    fits = a.dtype == np.float32 and condition.dtype == bool and condition.shape == a.shape
    if not fits or (isinstance(b, np.ndarray) and not (b.dtype == a.dtype and b.shape == a.shape)):
        return definition.select(a, condition, b)
    y = np.empty_like(a, subok=False)
    other = flat_like(b, y) if isinstance(b, np.ndarray) else np.array([b], np.float32)
    launch(_select, thread_count(a.size, _SERIAL), flat_like(condition, y), flat_like(a, y), other, y.ravel(order="K"))
    return y
