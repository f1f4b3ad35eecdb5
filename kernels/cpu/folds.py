"""Rows and columns of large matrices folded into one number each, on every thread: sums, products, norms, extremes.

One way for all: what folds (`both`), what an entry is beforehand (`taken`), and what the numbers are gathered in stand
for themselves in the two tasks below, of which each fold is a variant. Sums, products and norms are gathered in float64
and rounded once (wide.py). How the work is cut depends on the shape, not on the threads, and so does the result.
Held by tests/kernels/test_reduction.py.
"""

import operator
from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from ..definitions.arithmetic import LARGE
from .compiled import njit
from .launch import doubles, floats, integer, launch, real, task
from .simd import FASTMATH, LANES, vfill, vload, vload_first, vstore
from .threads import thread_count
from .wide import (
    across_greatest,
    across_least,
    across_product,
    across_sum,
    greater,
    lesser,
    wfill,
    widened,
    wload,
    wload_first,
    wload_wide,
    wstore,
)

Array = np.ndarray

_TILE = 4 * LANES  # numbers taken together
_STRIP = 1024  # columns taken together
_ITEMS = 16  # strips, or pieces of these, that there are to share
_LEAST = 64  # rows in such a piece


@njit(fastmath=FASTMATH)
def _add_square(total, x):
    return total + x * x


@njit()
def _same(x):
    return x


# What a variant replaces: these are a sum's.
load, load_first, load_back, fill, store, across = wload, wload_first, wload_wide, wfill, wstore, across_sum
whole_fill, whole_of, run = wfill, _same, 1 << 62  # along rows, after how many numbers what they gave goes to the whole
gathered, number = doubles, np.float64
both = taken = operator.add
finished = _same


# Arguments: x (matrices, rows, columns), the result (matrices, columns), what is gathered (matrices, pieces, width), or
# a strip for each thread, and where that starts from; matrices, rows, columns; pieces, and rows in one; how many rows
# stand side by side in `width`.


@task
def _along_rows(block, part, parts):
    """Of one column: a row of memory each, in pieces; what is in one piece is the result."""
    x, out, found, start = floats(block, 0), floats(block, 1), gathered(block, 2), real(block, 3)
    matrices, n, pieces, span = integer(block, 4), integer(block, 5), integer(block, 7), integer(block, 8)
    for piece in range(matrices * pieces * part // parts, matrices * pieces * (part + 1) // parts):
        row, first = piece // pieces * n, piece % pieces * span
        i, stop = row + first, row + min(first + span, n)
        whole = whole_fill(start)
        while i < stop:
            a = fill(start)
            b = c = d = a
            last = min(i + run, stop)
            while i + _TILE <= last:
                a = taken(a, load(x, i))
                b = taken(b, load(x, i + LANES))
                c = taken(c, load(x, i + 2 * LANES))
                d = taken(d, load(x, i + 3 * LANES))
                i += _TILE
            while i < last:
                a = taken(a, load_first(x, i, last - i, start))
                i += LANES
            whole = both(whole, whole_of(both(both(a, b), both(c, d))))
        total = across(whole)
        if pieces == 1:
            out[piece] = finished(number(total))
        else:
            found[piece] = total


@task
def _along_columns(block, part, parts):
    """Of several columns: a strip of them each, in pieces, four rows at a time. What is in one piece is the result, and
    is gathered where the same thread's last strip was, in its cache."""
    x, out, found, start = floats(block, 0), floats(block, 1), gathered(block, 2), real(block, 3)
    matrices, pieces, span, beside = integer(block, 4), integer(block, 7), integer(block, 8), integer(block, 9)
    rows, columns, width = integer(block, 5) // beside, integer(block, 6) * beside, integer(block, 10)
    strips = -(-columns // _STRIP)
    items, at_once = matrices * pieces * strips, pieces == 1 and beside == 1
    for item in range(items * part // parts, items * (part + 1) // parts):
        piece, j = item // strips, item % strips * _STRIP
        first, left = piece % pieces * span, min(_STRIP, columns - j)
        to = part * _STRIP if at_once else piece * width + j
        at = piece // pieces * integer(block, 5) * integer(block, 6) + first * columns + j
        n, whole = min(span, rows - first), left // LANES * LANES
        for c in range(0, whole, LANES):
            store(found, to + c, fill(start))
        for r in range(0, n - 3, 4):
            for c in range(0, whole, LANES):
                i = at + r * columns + c
                a = taken(load_back(found, to + c), load(x, i))
                a = taken(a, load(x, i + columns))
                a = taken(a, load(x, i + 2 * columns))
                store(found, to + c, taken(a, load(x, i + 3 * columns)))
        for r in range(n // 4 * 4, n):
            for c in range(0, whole, LANES):
                store(found, to + c, taken(load_back(found, to + c), load(x, at + r * columns + c)))
        if whole < left:
            a = fill(start)
            for i in range(at + whole, at + n * columns + whole, columns):
                a = taken(a, load_first(x, i, left - whole, start))
            store(found, to + whole, a)
        if at_once:
            gone = found[to : to + left]
            own = out[piece * columns + j : piece * columns + j + left]
            for c in range(left):
                own[c] = finished(number(gone[c]))


@task
def _gather(block, part, parts):
    """The result, from the pieces; and rows that were too few to stand side by side."""
    x, out, found = floats(block, 0), floats(block, 1), gathered(block, 2)
    matrices, rows, columns = integer(block, 4), integer(block, 5), integer(block, 6)
    pieces, beside, width = integer(block, 7), integer(block, 9), integer(block, 10)
    for matrix in range(matrices * part // parts, matrices * (part + 1) // parts):
        whole = found[matrix * pieces * width : (matrix + 1) * pieces * width]
        for piece in range(1, pieces):
            for c in range(width):
                whole[c] = both(whole[c], whole[piece * width + c])
        for c in range(columns, columns * beside):
            whole[c % columns] = both(whole[c % columns], whole[c])
        for r in range(rows // beside * beside, rows):
            for c in range(columns):
                whole[c] = taken(whole[c], number(x[(matrix * rows + r) * columns + c]))
        own = out[matrix * columns : (matrix + 1) * columns]
        for c in range(columns):
            own[c] = finished(whole[c])


class Fold(NamedTuple):
    """The tasks of a fold, what it begins from and is gathered in, and into pieces of how many numbers rows are cut."""

    rows: task
    rows_in_pieces: task
    columns: task
    columns_in_pieces: task
    start: float
    dtype: Any
    piece: int


_FLOAT32 = {"load": vload, "load_first": vload_first, "load_back": vload, "fill": vfill, "store": vstore}


def _fold(
    name: str, start: float, dtype: Any = np.float64, piece: int = 1 << 13, of_rows: Any = (), **names: Any
) -> Fold:
    """The fold in which `names`, and along rows `of_rows` too, stand for a sum's in float64."""
    rows = _along_rows.variant(f"_along_rows_{name}", **{**names, **dict(of_rows)})
    columns, gather = (t.variant(f"{t.function.__name__}_{name}", **names) for t in (_along_columns, _gather))
    return Fold(rows, rows.then(gather), columns, columns.then(gather), start, dtype, piece)


def _extreme(name: str, start: float, both: Any, across: Any) -> Fold:
    """Nothing is rounded: float32 throughout."""
    names = {"gathered": floats, "number": np.float32, "whole_fill": vfill, **_FLOAT32}
    return _fold(name, start, np.float32, both=both, taken=both, across=across, **names)


# A row's sum is of float32's, of which each lane adds up 16 before they go to float64: as exact as NumPy's, and sooner
# by a quarter than in float64 throughout.
SUM = _fold("sum", 0.0, of_rows={**_FLOAT32, "whole_of": widened, "run": 16 * _TILE})
PRODUCT = _fold("product", 1.0, both=operator.mul, taken=operator.mul, across=across_product)
SQUARES = _fold("squares", 0.0, taken=_add_square)
NORM = _fold("norm", 0.0, taken=_add_square, finished=sqrt)
GREATEST = _extreme("greatest", -np.inf, greater, across_greatest)
LEAST = _extreme("least", np.inf, lesser, across_least)


def fold(kind: Fold, shape: tuple[int, ...], matrices: int, rows: int, columns: int) -> Callable[[Array], Array]:
    """The function of dense memory that folds the rows of matrices (rows, columns), which lie there one behind another,
    into one each: an array of `shape`."""
    if columns == 1:
        width, beside, span = 1, 1, kind.piece
        pieces = -(-rows // span)
        work = kind.rows if pieces == 1 else kind.rows_in_pieces
    else:
        beside = max(1, min(_STRIP // columns, rows)) if matrices == 1 else 1
        beside -= beside % LANES if beside > LANES else 0
        strips = -(-columns * beside // _STRIP)
        pieces = max(1, min(_ITEMS // (matrices * strips), rows // beside // _LEAST))
        work = kind.columns if pieces == beside == 1 else kind.columns_in_pieces
        span = -(-(rows // beside) // pieces)
        width = -(-columns * beside // LANES) * LANES
    numbers = matrices, rows, columns, pieces, span, beside, width

    def folded(x: Array) -> Array:
        out, threads = np.empty(shape, np.float32), thread_count(x.size, LARGE // 2)
        if work is kind.rows:
            found = out  # not looked at
        else:
            found = np.empty(threads * _STRIP if work is kind.columns else matrices * pieces * width, kind.dtype)
        launch(work, threads, x, out, found, kind.start, numbers)
        return out

    return folded
