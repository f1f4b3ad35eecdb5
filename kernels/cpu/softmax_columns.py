"""Softmax along an axis that is not the last in memory: columns side by side, row after row as they lie there.

An array is (outer, size, inner) here and the sums run along `size`. What softmax.py does to a row is done to each of
some hundred columns at once; what it keeps in a register stands in a row of memory in the first-level cache. Sums are
of blocks of rows, and of these. Held to the definitions by tests/kernels/test_softmax.py.
"""

from typing import Any

import numpy as np

from .compiled import njit
from .functions import vlog
from .launch import floats, integer, task
from .packing import load_vector, store_vector
from .simd import FASTMATH, LANES, vexp, vfill, vfma, vload, vmax, vstore, vzero

_OPTIONS: Any = {"fastmath": FASTMATH - {"reassoc"}}  # as in softmax.py
_MINUS_INFINITY = np.float32(-np.inf)
_ACROSS = 512  # columns at a time
_BLOCK = 64  # rows whose terms are added up before they are added to the others


@njit(**_OPTIONS)
def _greatest(x, at, size, inner, width, top):
    top[:] = _MINUS_INFINITY
    for i in range(at, at + size * inner, inner):
        for c in range(0, width, LANES):
            vstore(top, c, vmax(vload(top, c), load_vector(x, i + c, width - c, 0)))


@njit(**_OPTIONS)
def _add(part, total):
    """Moves what is in `part` to `total`."""
    for c in range(0, len(part), LANES):
        vstore(total, c, vload(total, c) + vload(part, c))
        vstore(part, c, vzero())


@njit(**_OPTIONS)
def _sum_of_exponentials(x, y, at, size, inner, width, work, kept):
    """work[1] = the sums of e^(x - work[0]), which stay in y if they are to be `kept`."""
    top, total, part = work[0], work[1], work[2]
    work[1:] = 0
    for r in range(size):
        i = at + r * inner
        for c in range(0, width, LANES):
            e = vexp(load_vector(x, i + c, width - c, 0) - vload(top, c))
            vstore(part, c, vload(part, c) + e)
            if kept:
                store_vector(y, i + c, width - c, e)
        if r % _BLOCK == _BLOCK - 1:
            _add(part, total)
    _add(part, total)


@njit(**_OPTIONS)
def _softmax_of(x, y, at, size, inner, width, work):
    _greatest(x, at, size, inner, width, work[0])
    _sum_of_exponentials(x, y, at, size, inner, width, work, True)
    for c in range(0, width, LANES):
        vstore(work[1], c, vfill(np.float32(1)) / vload(work[1], c))
    for i in range(at, at + size * inner, inner):
        for c in range(0, width, LANES):
            store_vector(y, i + c, width - c, load_vector(y, i + c, width - c, 0) * vload(work[1], c))


@njit(**_OPTIONS)
def _log_softmax_of(x, y, at, size, inner, width, work):
    _greatest(x, at, size, inner, width, work[0])
    _sum_of_exponentials(x, y, at, size, inner, width, work, False)
    for c in range(0, width, LANES):
        vstore(work[1], c, vlog(vload(work[1], c)))
    for i in range(at, at + size * inner, inner):
        for c in range(0, width, LANES):
            u = (load_vector(x, i + c, width - c, 0) - vload(work[0], c)) - vload(work[1], c)
            store_vector(y, i + c, width - c, u)


@njit(**_OPTIONS)
def _sum_of_cotangents(g, y, at, size, inner, width, work, weighed):
    """work[0] = the sums of g, or of g y if they are to be `weighed`."""
    work[:] = 0
    for r in range(size):
        for c in range(0, width, LANES):
            i = at + r * inner + c
            u = load_vector(g, i, width - c, 0)
            if weighed:
                u = u * load_vector(y, i, width - c, 0)
            vstore(work[1], c, vload(work[1], c) + u)
        if r % _BLOCK == _BLOCK - 1:
            _add(work[1], work[0])
    _add(work[1], work[0])


@njit(**_OPTIONS)
def _softmax_gradient_of(g, y, dx, at, size, inner, width, work):
    _sum_of_cotangents(g, y, at, size, inner, width, work, True)
    for r in range(size):
        for c in range(0, width, LANES):
            i = at + r * inner + c
            u = load_vector(g, i, width - c, 0) - vload(work[0], c)
            store_vector(dx, i, width - c, load_vector(y, i, width - c, 0) * u)


@njit(**_OPTIONS)
def _log_softmax_gradient_of(g, y, dx, at, size, inner, width, work):
    _sum_of_cotangents(g, y, at, size, inner, width, work, False)
    for r in range(size):
        for c in range(0, width, LANES):
            i = at + r * inner + c
            e = vexp(load_vector(y, i, width - c, 0))
            store_vector(dx, i, width - c, vfma(-vload(work[0], c), e, load_vector(g, i, width - c, 0)))


@njit()
def _share(block, first, part, parts):
    """Which panels of columns a part has, how many lie side by side, the sizes, which stand at `first`, and rows of
    memory as long as a panel."""
    outer, size, inner = integer(block, first), integer(block, first + 1), integer(block, first + 2)
    across = (inner + _ACROSS - 1) // _ACROSS
    panels = range(outer * across * part // parts, outer * across * (part + 1) // parts)
    work = np.empty((3, min(_ACROSS, (inner + LANES - 1) // LANES * LANES)), np.float32)
    return panels, across, size, inner, work


@task
def softmax_columns(block, part, parts):
    """Arguments: x, y (outer, size, inner); outer, size, inner."""
    x, y = floats(block, 0), floats(block, 1)
    panels, across, size, inner, work = _share(block, 2, part, parts)
    for panel in panels:
        c = panel % across * _ACROSS
        _softmax_of(x, y, panel // across * size * inner + c, size, inner, min(inner - c, _ACROSS), work)


@task
def softmax_backward_columns(block, part, parts):
    """Arguments: g, y, dx (outer, size, inner); outer, size, inner."""
    g, y, dx = floats(block, 0), floats(block, 1), floats(block, 2)
    panels, across, size, inner, work = _share(block, 3, part, parts)
    for panel in panels:
        c = panel % across * _ACROSS
        _softmax_gradient_of(g, y, dx, panel // across * size * inner + c, size, inner, min(inner - c, _ACROSS), work)


log_softmax_columns = softmax_columns.variant("log_softmax_columns", _softmax_of=_log_softmax_of)
log_softmax_backward_columns = softmax_backward_columns.variant(
    "log_softmax_backward_columns", _softmax_gradient_of=_log_softmax_gradient_of
)
