"""Running sums and products along an axis, gathered in float64: in vectors, on every thread.

Along rows of memory the lanes of a vector are gathered in log2(LANES) steps, and what came before is added to all of
them (Hillis and Steele 1986); along other axes a vector is as many columns, and a strip of these is gathered in the
cache, so that memory is read as it lies. Held by tests/kernels/test_running.py.
"""

import operator

import numpy as np

from ..definitions.arithmetic import LARGE
from .launch import doubles, floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import LANES
from .threads import thread_count
from .wide import (
    first_lane,
    last_lane,
    narrowed,
    running_products,
    running_products_back,
    running_sums,
    running_sums_back,
    wfill,
    widened,
    wload,
    wload_first,
    wload_wide,
    wstore,
)

Array = np.ndarray
Sizes = tuple[int, int, int]

_STRIP = 128  # columns taken together: rows of some lines of memory each, and enough strips to share

# What a variant replaces: these are a running sum's.
running, running_back, both, NEUTRAL = running_sums, running_sums_back, operator.add, 0.0


# Arguments: x, y (matrices, n, columns), room for a strip of each thread; matrices, n, columns; 1 if the way is back; 1
# if y_i is of those before alone.


@task
def _along_rows(block, part, parts):
    """Of one column. What is of those before is what is of all up to here, one place further on."""
    x, y = floats(block, 0), floats(block, 1)
    rows, n, back, shift = integer(block, 3), integer(block, 4), integer(block, 6), integer(block, 7)
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        first, stop = row * n, row * n + n
        before = wfill(NEUTRAL)
        if back:
            if shift:
                y[stop - 1] = NEUTRAL
            i = stop
            while i - first - shift >= LANES:
                i -= LANES
                here = both(running_back(wload(x, i)), before)
                before = first_lane(here)
                store_vector(y, i - shift, LANES, narrowed(here))
            left = i - first - shift
            if left > 0:
                here = both(running_back(wload_first(x, first + shift, left, NEUTRAL)), before)
                store_vector(y, first, left, narrowed(here))
        else:
            if shift:
                y[first] = NEUTRAL
            i = first
            while stop - shift - i >= LANES:
                here = both(running(wload(x, i)), before)
                before = last_lane(here)
                store_vector(y, i + shift, LANES, narrowed(here))
                i += LANES
            left = stop - shift - i
            if left > 0:
                here = both(running(wload_first(x, i, left, NEUTRAL)), before)
                store_vector(y, i + shift, left, narrowed(here))


@task
def _along_columns(block, part, parts):
    """Of several columns: a strip of them, row by row as they lie in memory."""
    x, y, held = floats(block, 0), floats(block, 1), doubles(block, 2)
    n, columns, back, shift = integer(block, 4), integer(block, 5), integer(block, 6), integer(block, 7)
    strips, own = -(-columns // _STRIP), part * _STRIP
    items = integer(block, 3) * strips
    for item in range(items * part // parts, items * (part + 1) // parts):
        j = item % strips * _STRIP
        width = min(columns - j, _STRIP)
        at, step = item // strips * n * columns + j, columns
        if back:
            at, step = at + (n - 1) * columns, -columns
        for c in range(0, width, LANES):
            wstore(held, own + c, wfill(NEUTRAL))
        for _ in range(n):
            for c in range(0, width, LANES):
                left = min(width - c, LANES)
                before = wload_wide(held, own + c)
                here = both(before, widened(load_vector(x, at + c, left, NEUTRAL)))
                wstore(held, own + c, here)
                store_vector(y, at + c, left, narrowed(before if shift else here))
            at += step


# Arguments: a, b, y (matrices, n, columns), room for a strip of each thread; matrices, n, columns; 1 if the way is
# back.


@task
def _states(block, part, parts):
    """What linear steps begin with: of one column, or of a strip of several, row by row as they lie in memory."""
    a, b, y, held = floats(block, 0), floats(block, 1), floats(block, 2), doubles(block, 3)
    n, columns = integer(block, 5), integer(block, 6)
    strips, own = -(-columns // _STRIP), part * _STRIP
    items = integer(block, 4) * strips
    for item in range(items * part // parts, items * (part + 1) // parts):
        j = item % strips * _STRIP
        width = min(columns - j, _STRIP)
        at, step = item // strips * n * columns + j, columns
        if integer(block, 7):
            at, step = at + (n - 1) * columns, -columns
        if columns == 1:
            state = 0.0
            for _ in range(n):
                y[at] = state
                state = np.float64(a[at]) * state + np.float64(b[at])
                at += step
            continue
        for c in range(0, width, LANES):
            wstore(held, own + c, wfill(0.0))
        for _ in range(n):
            for c in range(0, width, LANES):
                left = min(width - c, LANES)
                state = wload_wide(held, own + c)
                store_vector(y, at + c, left, narrowed(state))
                kept = widened(load_vector(a, at + c, left, 0.0)) * state
                wstore(held, own + c, kept + widened(load_vector(b, at + c, left, 0.0)))
            at += step


_PRODUCTS = {"running": running_products, "running_back": running_products_back, "both": operator.mul, "NEUTRAL": 1.0}
SUM = _along_rows, _along_columns
PRODUCT = tuple(t.variant(f"{t.function.__name__}_product", **_PRODUCTS) for t in SUM)


def run(tasks: tuple[task, ...], x: Array, y: Array, sizes: Sizes, back: bool, shift: bool) -> None:
    """Writes to y what `SUM` or `PRODUCT` makes of x (matrices, n, columns): of those before alone if `shift`."""
    threads = thread_count(x.size, LARGE // 2)
    launch(tasks[sizes[2] > 1], threads, x, y, np.empty(threads * _STRIP), sizes, int(back), int(shift))


def run_states(a: Array, b: Array, y: Array, sizes: Sizes, back: bool) -> None:
    """Writes to y what the steps a, b, all three (matrices, n, columns), begin with."""
    threads = thread_count(a.size, LARGE // 2)
    launch(_states, threads, a, b, y, np.empty(threads * _STRIP), sizes, int(back))
