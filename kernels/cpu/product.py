"""The matrix product on the CPU. It exists for the company it keeps: OpenBLAS's threads beside the kernels' slow
both many times (20 times was measured; openblas.py says why). Large float32 products run here, on the same threads as
every other kernel; small ones and float64 go to NumPy, whose OpenBLAS does them on the calling thread. Held by
tests/kernels/test_product.py.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.convolution_layout import Pair, copy_floats, zero_floats
from tinygen.kernels.cpu.gemm import DEPTH, WIDEST, accumulate, multiply, panel_width, round_up
from tinygen.kernels.cpu.launch import Tables, floats, integer, integers, launch, task
from tinygen.kernels.cpu.openblas import one_blas_thread
from tinygen.kernels.cpu.packing import transpose_tile
from tinygen.kernels.cpu.simd import LANES
from tinygen.kernels.cpu.threads import scratch, thread_count

Array = NDArray[Any]
FLOAT = np.dtype(np.float32)
QUIET = 1 << 18  # multiply-adds up to which OpenBLAS does not start threads
SMALL = 1 << 20  # ... up to which one thread of OpenBLAS is faster than the threads here
ROWS = 96  # of A at a time, at most: with DEPTH of their columns they stay in the second-level cache
STEP = 24  # ... and at least


@task
def _pack(block, part, parts):
    b, packed = floats(block, 0), floats(block, 1)
    depth, columns, padded, row_step, one = (
        integer(block, 2),
        integer(block, 3),
        integer(block, 4),
        integer(block, 5),
        integer(block, 6),
    )
    first, last = depth * part // parts, depth * (part + 1) // parts
    column = 0
    while column < padded:
        width = panel_width(padded - column)
        valid = min(width, columns - column)
        for r0 in range(first, last, LANES):
            r1 = min(r0 + LANES, last)
            to = depth * column
            if one == 1:
                for r in range(r0, r1):
                    copy_floats(b, r * row_step + column, packed, to + r * width, valid)
            else:
                whole = valid // LANES * LANES if row_step == 1 and r1 - r0 == LANES else 0
                for j in range(0, whole, LANES):
                    transpose_tile(b, (column + j) * one + r0, one, packed, to + r0 * width + j, width)
                for j in range(whole, valid):
                    for r in range(r0, r1):
                        packed[to + r * width + j] = b[(column + j) * one + r * row_step]
            for r in range(r0, r1):
                for j in range(valid, width):
                    packed[to + r * width + j] = np.float32(0)
        column += width


@task
def _multiply(block, part, parts):
    a, packed, out, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    source, target, dense, runs = integers(block, 4), integers(block, 5), integers(block, 6), integers(block, 7)
    rows, columns, depth = integer(block, 9), integer(block, 10), integer(block, 11)
    band, group, rough_size = integer(block, 12), integer(block, 13), integer(block, 14)
    rough = floats(block, 8)[part * rough_size :]
    padded = bias.size
    across = -(-padded // group)
    units = -(-rows // band) * across
    for unit in range(units * part // parts, units * (part + 1) // parts):
        m0, j0 = unit // across * band, unit % across * group
        count, wide = min(band, rows - m0), min(group, padded - j0)
        if j0 + wide <= columns:
            multiply(
                a, source[m0], source, count, runs, packed, depth * j0, wide, out, m0 * columns + j0, target, bias, j0
            )
        else:
            multiply(a, source[m0], source, count, runs, packed, depth * j0, wide, rough, 0, dense, bias, j0)
            for m in range(count):
                at, to = dense[m], (m0 + m) * columns + j0
                for j in range(columns - j0):
                    out[to + j] = rough[at + j]


@task
def _outer(block, part, parts):
    a, b, out = floats(block, 0), floats(block, 1), floats(block, 2)
    source, row = integers(block, 3), integers(block, 4)
    rows, columns, depth, b_step = integer(block, 6), integer(block, 7), integer(block, 8), integer(block, 9)
    band, group, rough_size = integer(block, 10), integer(block, 11), integer(block, 12)
    rough = floats(block, 5)[part * rough_size :]
    padded = -(-columns // LANES) * LANES
    across = -(-padded // group)
    units = -(-rows // band) * across
    for unit in range(units * part // parts, units * (part + 1) // parts):
        m0, j0 = unit // across * band, unit % across * group
        count, wide = min(band, rows - m0), min(group, padded - j0)
        zero_floats(rough, 0, count * wide)
        accumulate(a, m0, source, depth, row[:count], b, j0, b_step, wide, rough, 0)
        column = 0
        while column < wide:
            width = panel_width(wide - column)
            valid = min(width, columns - j0 - column)
            for m in range(count):
                copy_floats(rough, count * column + m * width, out, (m0 + m) * columns + j0 + column, valid)
            column += width


def _grid(rows: int, padded: int, threads: int) -> Pair:
    """Rows and columns of C in a unit of work: few enough that every thread has several units."""
    group = 4 * WIDEST * LANES
    bands = -(-rows // ROWS)
    if bands * -(-padded // group) < 4 * threads:
        group = WIDEST * LANES
        bands = max(bands, min(-(-rows // STEP), -(-4 * threads // -(-padded // group))))
    return -(-rows // bands), group


class _Plan(NamedTuple):
    """What a product of given sizes on given threads is done with: made once, since it takes as long as a small one."""

    tables: Tables
    zeros: Array  # a row of them
    band: int  # rows in a unit of work
    group: int  # ... and columns
    edge: int  # floats a thread needs where a unit goes over the edge


@lru_cache(maxsize=256)
def _plan(rows: int, columns: int, depth: int, step: int, threads: int) -> _Plan:
    """For `_product`, with `step` from row to row of A."""
    padded = round_up(columns)
    band, group = _grid(rows, padded, threads)
    begins = np.arange(0, depth, DEPTH)
    runs = np.stack([begins, np.minimum(DEPTH, depth - begins)], axis=1).reshape(-1)
    m = np.arange(min(ROWS, rows))
    tables = Tables(np.arange(rows) * step, m * columns, m * group, runs)
    return _Plan(tables, np.zeros(padded, np.float32), band, group, 0 if padded == columns else band * group)


@lru_cache(maxsize=256)
def _plan_by_columns(rows: int, columns: int, depth: int, step: int, threads: int) -> _Plan:
    """For `_product_by_columns`, with `step` from column to column of A."""
    padded = round_up(columns)
    band, group = _grid(rows, padded, threads)
    tables = Tables(np.arange(depth) * step, np.arange(band))
    return _Plan(tables, np.zeros(padded, np.float32), band, group, band * group)


def _product(a: Array, b: Array, bias: Array | None) -> Array:
    """(M, K) @ (K, N) + (N,) of float32: a by rows, b by rows or by columns. Sums start from the bias."""
    (rows, depth), columns = a.shape, b.shape[1]
    threads = thread_count(rows * columns * depth, SMALL)
    plan = _plan(rows, columns, depth, a.strides[0] // 4, threads)
    start = plan.zeros
    padded = start.size
    if bias is not None:
        start = start.copy()
        start[:columns] = bias
    packed = scratch("matrix product columns", 1, depth * padded)
    steps = (b.strides[0] // 4, b.strides[1] // 4)
    memory = b if steps[1] == 1 else b.T
    launch(_pack, thread_count(depth * padded, 1 << 14), memory, packed, depth, columns, padded, *steps)
    out = np.empty((rows, columns), np.float32)
    rough = scratch("matrix product edge", threads, plan.edge)
    sizes = (rows, columns, depth, plan.band, plan.group, rough.shape[1])
    launch(_multiply, threads, a, packed, out, start, plan.tables, rough, *sizes)
    return out


def _product_by_columns(a: Array, b: Array) -> Array:
    """(M, K) @ (K, N) of float32, a by columns and b by rows, neither copied: a weight gradient's product."""
    (rows, depth), columns = a.shape, b.shape[1]
    threads = thread_count(rows * columns * depth, SMALL)
    plan = _plan_by_columns(rows, columns, depth, a.strides[1] // 4, threads)
    if plan.zeros.size != columns:
        b = np.pad(b, ((0, 0), (0, plan.zeros.size - columns)))
    out = np.empty((rows, columns), np.float32)
    rough = scratch("matrix product edge", threads, plan.edge)
    sizes = (rows, columns, depth, b.strides[0] // 4, plan.band, plan.group, rough.shape[1])
    launch(_outer, threads, a.T, b, out, plan.tables, rough, *sizes)
    return out


def _by(axis: int, matrix: Array) -> bool:
    """Whether the matrix lies in memory by rows (axis 1: columns are adjacent) or by columns (axis 0)."""
    return matrix.strides[axis] == 4 and matrix.strides[1 - axis] >= 0 and matrix.strides[1 - axis] % 4 == 0


def _with(bias: Array | None, c: Array) -> Array:
    if bias is not None:
        c += bias
    return c


def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """a @ b as NumPy has it: (..., M, K) @ (..., K, N) -> (..., M, N), plus bias (N,) or none."""
    if a.shape[-1:] == (1,) and a.ndim > 1 < b.ndim and b.shape[-2] == 1:
        return _with(bias, a * b)  # the same numbers; NumPy's product takes twenty times as long over it
    size = a.size * (b.shape[-1] if b.ndim > 1 else 1)  # multiply-adds
    if size <= QUIET:
        return _with(bias, a @ b)
    single = a.dtype == b.dtype == FLOAT
    fits = single and b.ndim == 2 and a.ndim >= 2 and size > SMALL and a.shape[-1] == b.shape[0]
    if not fits or b.shape[1] == 1 or a.size == a.shape[-1]:  # with a vector memory is the limit: one thread reaches it
        with one_blas_thread():
            return _with(bias, a @ b)
    depth, columns = b.shape
    rows = a.size // depth
    flat = a if a.ndim == 2 else a.reshape(rows, depth)
    if _by(0, flat) and not _by(1, flat):
        c = _with(bias, _product_by_columns(flat, b if _by(1, b) else np.ascontiguousarray(b)))
    else:
        left = flat if _by(1, flat) else np.ascontiguousarray(flat)
        c = _product(left, b if _by(1, b) or _by(0, b) else np.ascontiguousarray(b), bias)
    return c.reshape(*a.shape[:-1], columns)
