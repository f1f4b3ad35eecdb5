"""Running sums and products along an axis, gathered in float64: in vectors, on every thread.

Along rows of memory the lanes of a vector are gathered in log2(LANES) steps, and what came before is added to all of
them (Hillis and Steele 1986); along other axes a vector is as many columns. Held by tests/kernels/test_running.py.
"""

import operator

import numpy as np

from ..definitions.arithmetic import LARGE
from .launch import floats, integer, launch, task
from .packing import store_vector
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
    wload,
    wload_first,
)

Array = np.ndarray
Sizes = tuple[int, int, int]

# What a variant replaces: these are a running sum's.
running, running_back, both, NEUTRAL = running_sums, running_sums_back, operator.add, 0.0


# Arguments: x, y (matrices, n, columns); matrices, n, columns; 1 if the way is back; 1 if y_i is of those before alone.


@task
def _along_rows(block, part, parts):
    """Of one column. What is of those before is what is of all up to here, one place further on."""
    x, y = floats(block, 0), floats(block, 1)
    rows, n, back, shift = integer(block, 2), integer(block, 3), integer(block, 5), integer(block, 6)
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
    """Of several columns."""
    x, y = floats(block, 0), floats(block, 1)
    n, columns, back, shift = integer(block, 3), integer(block, 4), integer(block, 5), integer(block, 6)
    vectors = -(-columns // LANES)
    items = integer(block, 2) * vectors
    for item in range(items * part // parts, items * (part + 1) // parts):
        c = item % vectors * LANES
        left = min(columns - c, LANES)
        at, step = item // vectors * n * columns + c, columns
        if back:
            at, step = at + (n - 1) * columns, -columns
        here = wfill(NEUTRAL)
        for _ in range(n):
            if shift:
                store_vector(y, at, left, narrowed(here))
            here = both(here, wload_first(x, at, left, NEUTRAL))
            if not shift:
                store_vector(y, at, left, narrowed(here))
            at += step


# Arguments: a, b, y (matrices, n, columns); matrices, n, columns; 1 if the way is back.


@task
def _states(block, part, parts):
    """What linear steps begin with, a vector of columns at a time: of one column, that alone."""
    a, b, y = floats(block, 0), floats(block, 1), floats(block, 2)
    n, columns = integer(block, 4), integer(block, 5)
    vectors = -(-columns // LANES)
    items = integer(block, 3) * vectors
    for item in range(items * part // parts, items * (part + 1) // parts):
        c = item % vectors * LANES
        at, step = item // vectors * n * columns + c, columns
        if integer(block, 6):
            at, step = at + (n - 1) * columns, -columns
        if columns == 1:
            state = 0.0
            for _ in range(n):
                y[at] = state
                state = np.float64(a[at]) * state + np.float64(b[at])
                at += step
            continue
        left = min(columns - c, LANES)
        states = wfill(0.0)
        for _ in range(n):
            store_vector(y, at, left, narrowed(states))
            states = wload_first(a, at, left, 0.0) * states + wload_first(b, at, left, 0.0)
            at += step


_PRODUCTS = {"running": running_products, "running_back": running_products_back, "both": operator.mul, "NEUTRAL": 1.0}
SUM = _along_rows, _along_columns
PRODUCT = tuple(t.variant(f"{t.function.__name__}_product", **_PRODUCTS) for t in SUM)


def run(tasks: tuple[task, ...], x: Array, y: Array, sizes: Sizes, back: bool, shift: bool) -> None:
    """Writes to y what `SUM` or `PRODUCT` makes of x (matrices, n, columns): of those before alone if `shift`."""
    launch(tasks[sizes[2] > 1], thread_count(x.size, LARGE // 2), x, y, sizes, int(back), int(shift))


def run_states(a: Array, b: Array, y: Array, sizes: Sizes, back: bool) -> None:
    """Writes to y what the steps a, b, all three (matrices, n, columns), begin with."""
    launch(_states, thread_count(a.size, LARGE // 2), a, b, y, sizes, int(back))
