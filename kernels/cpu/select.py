"""A choice between two arrays on every thread. NumPy's own branches at every entry: 20 times as slow on a random mask.

The same function as kernels/definitions/select.py, held to it, bit by bit, by tests/kernels/test_select.py. float32 and
equal shapes only (b may be a number); the rest is the definition.
"""

from typing import Any

import numpy as np

from ..array_module import laid_out_like, single
from ..definitions import select as definition
from .compiled import njit
from .few import are_few, few
from .launch import flags, floats, launch, task
from .threads import thread_count

Array = np.ndarray
_FLOAT, _BOOL = np.dtype(np.float32), np.dtype(np.bool_)

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


_SELECT, SELECT_NUMBER = few(_select, "bff"), few(_select, "bfn")


def select(a: Array, condition: Array, b: Array | float) -> Array:
    """a where `condition` holds, else b; see the definition."""
    if not (a.dtype == _FLOAT and condition.dtype == _BOOL and condition.shape == a.shape and a.ndim):
        return definition.select(a, condition, b)
    if isinstance(b, np.ndarray):
        if not (b.dtype == _FLOAT and b.shape == a.shape):
            return definition.select(a, condition, b)
        if are_few(a, condition) and b.flags.c_contiguous:
            return _SELECT.run(condition, a, b)
    else:
        b = single(b)
        if are_few(a, condition):
            return SELECT_NUMBER.run(condition, a, b)
    y = np.empty_like(a, subok=False)
    given: list[Any] = [condition, a, b]
    launch(_select, thread_count(a.size, _SERIAL), *[laid_out_like(x, y) if x.ndim else x for x in given], y)
    return y
