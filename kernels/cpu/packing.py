"""Rows of a strided float32 matrix into the panels that `gemm` wants, and back; for matrices that live in cache.

A matrix is flat memory, the index of its first element and the distance between its rows; a row is contiguous.
Held by tests/kernels/test_attention.py, whose queries, keys, values and gradients all pass through here.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from .compiled import njit, routine
from .gemm import fetch as fetch_line
from .gemm import panel_width, round_up
from .simd import (
    FASTMATH,
    FLOATS,
    INTS,
    LANES,
    address,
    intrinsic,
    is_float32,
    vfill,
    vload,
    vload_first,
    vstore,
    vstore_first,
    vzero,
)

_LANES = range(LANES)
_ZERO = np.float32(0)
AHEAD = 2 * LANES  # rows between what is transposed and what is fetched from memory meanwhile


def _exchange(builder: Any, rows: list[Any], step: int) -> None:
    """Swap the off-diagonal blocks of size `step`. In a shuffle, lanes LANES and up are the second vector's."""
    low = [lane if not lane & step else LANES + lane - step for lane in _LANES]
    high = [lane + step if not lane & step else LANES + lane for lane in _LANES]
    for i in _LANES:
        if not i & step:
            pair = rows[i], rows[i + step]
            rows[i], rows[i + step] = (builder.shuffle_vector(*pair, ir.Constant(INTS, mask)) for mask in (low, high))


@intrinsic
def transpose_tile(typing: Any, x: Any, start: Any, stride: Any, out: Any, at: Any, out_stride: Any) -> Any:
    """out[at + i out_stride + j] = x[start + j stride + i] for i, j < LANES; flat arrays of float32.

    The classical exchange: at step s = 1, 2, 4, ... rows i and i + s (i without the bit s) swap the lanes whose
    index lacks that bit with those that have it; after log2(LANES) steps row i holds column i.
    """

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def place(first: int, row: int) -> Any:
            index = builder.add(args[first + 1], builder.mul(args[first + 2], ir.Constant(ir.IntType(64), row)))
            kinds = (sig.args[first], types.intp)
            return address(context, builder, kinds, (args[first], index), FLOATS)

        rows = []
        for i in _LANES:
            rows.append(builder.load(place(0, i)))
            rows[-1].align = 4
        step = 1
        while step < LANES:
            _exchange(builder, rows, step)
            step *= 2
        for i in _LANES:
            builder.store(rows[i], place(3, i)).align = 4
        return context.get_dummy_value()

    n = types.intp
    return (types.void(x, n, n, out, n, n), build) if is_float32(x) and is_float32(out) else None


@intrinsic
def fetch(typing: Any, x: Any, index: Any) -> Any:
    """Have what lies at x[index] brought to the second-level cache; beyond the end of x does no harm."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        fetch_line(builder, address(context, builder, sig.args, args, ir.FloatType()))
        return context.get_dummy_value()

    return (types.void(x, types.intp), build) if is_float32(x) else None


@njit(fastmath=FASTMATH)
def load_vector(x, at, left, fill):
    """The vector at x[at:], of which `left` elements exist; the other lanes are `fill`."""
    return vload(x, at) if left >= LANES else vload_first(x, at, left, fill)


@njit(fastmath=FASTMATH)
def store_vector(x, at, left, value):
    """x[at:] = the vector, or its first `left` lanes where no more elements exist."""
    if left >= LANES:
        vstore(x, at, value)
    else:
        vstore_first(x, at, value, left)


whole_vectors = njit()(round_up)  # for compiled code


@routine("f n n n n f", FASTMATH)
def pack_transposed(x, start, stride, rows, columns, packed):
    """The transpose of x (rows, columns) as panels; panel columns beyond `rows` are zero."""
    padded = whole_vectors(rows)
    c = 0
    while c < padded:
        width = panel_width(padded - c)
        tiled = columns // LANES * LANES
        for j in range(c, c + width, LANES):
            to = columns * c + j - c
            if j + LANES <= rows:
                for i in range(0, tiled, LANES):
                    for lane in range(LANES):
                        fetch(x, start + (j + AHEAD + lane) * stride + i)
                    transpose_tile(x, start + j * stride + i, stride, packed, to + i * width, width)
                for i in range(tiled, columns):
                    for lane in range(LANES):
                        packed[to + i * width + lane] = x[start + (j + lane) * stride + i]
            else:
                for i in range(columns):
                    vstore(packed, to + i * width, vzero())
                for lane in range(rows - j):
                    for i in range(columns):
                        packed[to + i * width + lane] = x[start + (j + lane) * stride + i]
        c += width


@njit(fastmath=FASTMATH)
def pack(x, start, stride, rows, columns, packed):
    """x (rows, columns) as panels; columns padded with zeros."""
    padded = whole_vectors(columns)
    c = 0
    while c < padded:
        width = panel_width(padded - c)
        for i in range(rows):
            for j in range(0, width, LANES):
                value = vzero()
                if c + j < columns:
                    value = load_vector(x, start + i * stride + c + j, columns - c - j, _ZERO)
                vstore(packed, rows * c + i * width + j, value)
        c += width


@njit(fastmath=FASTMATH)
def unpack(packed, rows, columns, scale, x, start, stride):
    """The inverse of `pack`, times `scale`."""
    padded = whole_vectors(columns)
    c = 0
    while c < padded:
        width = panel_width(padded - c)
        for i in range(rows):
            for j in range(0, min(width, columns - c), LANES):
                value = vload(packed, rows * c + i * width + j) * vfill(scale)
                store_vector(x, start + i * stride + c + j, columns - c - j, value)
        c += width


@routine("f n n n n f n n", FASTMATH)
def turn(x, start, stride, rows, columns, out, to, out_stride):
    """out[to + j out_stride + i] = x[start + i stride + j] for i < rows, j < columns: the transpose, row after row."""
    if rows < LANES or columns < LANES:
        for j in range(columns):
            for i in range(rows):
                out[to + j * out_stride + i] = x[start + i * stride + j]
        return
    for column in range(0, columns, LANES):
        j = min(column, columns - LANES)  # the last tiles overlap those before them
        for row in range(0, rows, LANES):
            i = min(row, rows - LANES)
            transpose_tile(x, start + i * stride + j, stride, out, to + j * out_stride + i, out_stride)


@njit(fastmath=FASTMATH)
def copy_rows(x, start, stride, rows, columns, padded, out):
    """x (rows, columns) row after row, columns padded with zeros to `padded`."""
    for i in range(rows):
        for j in range(0, padded, LANES):
            value = vzero()
            if j < columns:
                value = load_vector(x, start + i * stride + j, columns - j, _ZERO)
            vstore(out, i * padded + j, value)


@njit(fastmath=FASTMATH)
def store_row(rows, at, share, x, to, columns):
    """x[to : to + columns] = share times the row of `rows` that starts at `at`."""
    for j in range(0, columns, LANES):
        store_vector(x, to + j, columns - j, vload(rows, at + j) * share)
