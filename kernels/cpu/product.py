"""The matrix product on the CPU. It exists for the company it keeps: OpenBLAS's threads beside the kernels' slow
both many times (openblas.py says why, and what measures it). Large float32 products run here, on the same threads as
every other kernel; small ones and float64 go to NumPy, whose OpenBLAS does them on the calling thread.

A product is one launch, for which nothing is made ready: every thread has rows and columns of C of its own, and packs
what it needs, a panel of B at a time, into memory of its own that its cache holds. Of x w^T the smaller is packed: for
few rows of x that is x, and what is computed is the transpose w x^T, so that w, the larger, is read in order.
Held by tests/kernels/test_product.py.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.compiled import njit
from tinygen.kernels.cpu.gemm import DEPTH, WIDEST, multiply_far, panel_width, round_up
from tinygen.kernels.cpu.launch import Arguments, floats, integer, integers, launch, task
from tinygen.kernels.cpu.openblas import one_blas_thread
from tinygen.kernels.cpu.packing import pack, pack_transposed, turn, whole_vectors
from tinygen.kernels.cpu.rows_copied import copy_floats
from tinygen.kernels.cpu.simd import FASTMATH, LANES, vbroadcast, vstore
from tinygen.kernels.cpu.threads import scratch, thread_count

Array = NDArray[Any]
FLOAT = np.dtype(np.float32)
QUIET = 1 << 18  # multiply-adds up to which OpenBLAS does not start threads
SMALL = 1 << 19  # ... from which the kernel here is faster, on one thread too
WAKING = 5 << 19  # ... that are worth a thread's waking
PANEL = WIDEST * LANES  # columns in a panel of B
BAND = 512  # rows of A at a time, at most: what is turned of them is in a cache, and B is packed anew for each
# What it takes to multiply and add, to copy and to transpose an element, beside one another.
PRODUCT, COPY, TURN = 0.5 / LANES, 0.1, 0.4


@njit(fastmath=FASTMATH)
def _begin(initial, out, to, step, by_columns, row, column, count, valid, rough):
    """What the sums in `rough` (count, PANEL) start from: the bias, or what `out` holds where there is none."""
    if by_columns and initial.size == 0:
        turn(out, to, step, valid, count, rough, 0, PANEL)
        return
    for m in range(count):
        if by_columns:
            for j in range(0, valid, LANES):
                vstore(rough, m * PANEL + j, vbroadcast(initial, row + m))
        elif initial.size == 0:
            copy_floats(out, to + m * step, rough, m * PANEL, valid)
        else:
            copy_floats(initial, column, rough, m * PANEL, valid)


@njit(fastmath=FASTMATH)
def _finish(out, to, step, by_columns, count, valid, rough):
    """The sums in `rough` to their places in `out`."""
    if by_columns:
        turn(rough, 0, PANEL, count, valid, out, to, step)
    else:
        for m in range(count):
            copy_floats(rough, m * PANEL, out, to + m * step, valid)


@task
def _multiply(block, part, parts):
    a, b, out, bias, memory = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3), floats(block, 4)
    a_rows, c_rows, rough_rows, runs = integers(block, 5), integers(block, 6), integers(block, 7), integers(block, 8)
    rows, columns, across, size = integer(block, 9), integer(block, 10), integer(block, 11), integer(block, 12)
    a_step, b_step, c_step, deep = integer(block, 13), integer(block, 14), integer(block, 15), integer(block, 16)
    a_by_columns, b_by_columns, c_by_columns = integer(block, 17), integer(block, 18), integer(block, 19)
    i, j, down, vectors = part // across, part % across, parts // across, whole_vectors(columns) // LANES
    first, last = vectors * j // across * LANES, min(columns, vectors * (j + 1) // across * LANES)
    nothing = bias[:0]
    packed = memory[part * size :]
    rough = packed[deep * PANEL :]
    turned = rough[a_rows.size * PANEL :]
    end = rows * (i + 1) // down
    for m in range(rows * i // down, end, BAND):
        count = min(BAND, end - m)
        for r in range(0, runs.size, 2):
            k, depth, run, initial = runs[r], runs[r + 1], runs[r : r + 2], nothing if r > 0 else bias
            left, start = a, m * a_step
            if a_by_columns:
                turn(a, k * a_step + m, a_step, depth, count, turned, 0, deep)
                left, start = turned, -k
            column = first
            while column < last:
                width = panel_width(whole_vectors(last - column))
                valid = min(width, last - column)
                if b_by_columns:
                    pack_transposed(b, column * b_step + k, b_step, valid, depth, packed)
                else:
                    pack(b, k * b_step + column, b_step, depth, valid, packed)
                to = column * c_step + m if c_by_columns else m * c_step + column
                if c_by_columns or valid < width:
                    _begin(initial, out, to, c_step, c_by_columns, m, column, count, valid, rough)
                    multiply_far(left, start, a_rows, count, run, packed, 0, width, rough, 0, rough_rows, nothing, 0)
                    _finish(out, to, c_step, c_by_columns, count, valid, rough)
                else:
                    multiply_far(left, start, a_rows, count, run, packed, 0, width, out, to, c_rows, initial, column)
                column += width


def _cut(rows: int, columns: int, threads: int, a_by_columns: bool, b_by_columns: bool) -> int:
    """How many of the threads stand side by side along the columns of C: those in one row of threads each transpose
    the same of A, those in one column each pack the same of B."""

    def time(across: int) -> float:
        m, n = -(-rows * across // threads), -(-round_up(columns) // LANES // across) * LANES
        return m * n * PRODUCT + m * TURN * a_by_columns + n * (TURN if b_by_columns else COPY)

    return min((n for n in range(1, threads + 1) if threads % n == 0), key=time)


class _Plan(NamedTuple):
    """What a product of given sizes on given threads is done with: made once, since it takes as long as a small one."""

    tables: Arguments
    zeros: Array  # a row of them
    size: int  # floats that a thread works in


@lru_cache(maxsize=512)
def _plan(
    rows: int, columns: int, depth: int, a_step: int, b_step: int, a_by: bool, b_by: bool, c_by: bool, threads: int
) -> _Plan:
    """For `_product`: steps from row to row or, where a matrix lies by columns, from column to column."""
    deep = min(depth, DEPTH)
    across = _cut(rows, columns, threads, a_by, b_by)
    most = min(BAND, -(-rows * across // threads))
    size = round_up(deep * PANEL + most * (PANEL + (deep if a_by else 0)))
    begins = np.arange(0, depth, DEPTH)
    runs = np.stack([begins, np.minimum(DEPTH, depth - begins)], axis=1).reshape(-1)
    m = np.arange(most)
    c_step = rows if c_by else columns
    tables = m * (deep if a_by else a_step), m * c_step, m * PANEL, runs
    numbers = rows, columns, across, size, a_step, b_step, c_step, deep, int(a_by), int(b_by), int(c_by)
    return _Plan((*tables, *numbers), np.zeros(round_up(max(rows, columns)), np.float32), size)


def _product(a: Array, b: Array, bias: Array | None) -> Array:
    """(M, K) @ (K, N) + (N,) of float32, each by rows or by columns. Sums start from the bias."""
    (rows, depth), columns = a.shape, b.shape[1]
    out = np.empty((rows, columns), np.float32)
    a_by_columns, b_by_columns = not _by(1, a), not _by(1, b)
    # What is computed then is C^T: fewer elements are transposed, those of A and of C, than B has.
    turned = b_by_columns and not a_by_columns and rows * (depth + columns) < depth * columns
    if turned:
        a, b, rows, columns = b.T, a, columns, rows
    else:
        a, b = a.T if a_by_columns else a, b.T if b_by_columns else b
    threads = thread_count(rows * columns * depth, WAKING)
    steps = a.strides[0] // 4, b.strides[0] // 4
    plan = _plan(rows, columns, depth, *steps, a_by_columns, b_by_columns, turned, threads)
    start = plan.zeros if bias is None else _row(bias, out.shape[1])
    launch(_multiply, threads, a, b, out, start, scratch("matrix product", threads, plan.size), plan.tables)
    return out


def _row(bias: Array, columns: int) -> Array:
    """The bias as (N,) contiguous float32."""
    if bias.shape == (columns,) and bias.dtype == FLOAT and bias.strides == (4,):
        return bias
    return np.ascontiguousarray(np.broadcast_to(bias, (columns,)), FLOAT)


def _by(axis: int, matrix: Array) -> bool:
    """Whether the matrix lies in memory by rows (axis 1: columns are adjacent) or by columns (axis 0)."""
    return matrix.strides[axis] == 4 and matrix.strides[1 - axis] >= 0 and matrix.strides[1 - axis] % 4 == 0


def _with(bias: Array | None, c: Array) -> Array:
    if bias is not None:
        c += bias
    return c


def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """a @ b as NumPy has it: (..., M, K) @ (..., K, N) -> (..., M, N), plus bias (N,) or none."""
    if a.ndim == 2 == b.ndim and a.size * b.shape[1] <= QUIET:
        c = a.dot(b)  # the same numbers as a @ b, which takes twice as long over small matrices
        return c if bias is None else _with(bias, c)
    if a.shape[-1:] == (1,) and a.ndim > 1 < b.ndim and b.shape[-2] == 1:
        return _with(bias, a * b)  # the same numbers; NumPy's product takes twenty times as long over it
    size = a.size * (b.shape[-1] if b.ndim > 1 else 1)  # multiply-adds
    if size <= QUIET:
        return _with(bias, a @ b)
    single = a.dtype == b.dtype == FLOAT
    fits = single and b.ndim == 2 and a.ndim >= 2 and size >= SMALL and a.shape[-1] == b.shape[0]
    if not fits or b.shape[1] == 1 or a.size == a.shape[-1]:  # with a vector memory is the limit: one thread reaches it
        with one_blas_thread():
            return _with(bias, a @ b)
    depth, columns = b.shape
    rows = a.size // depth
    flat = a if a.ndim == 2 else a.reshape(rows, depth)
    left, right = (m if _by(1, m) or _by(0, m) else np.ascontiguousarray(m) for m in (flat, b))
    c = _product(left, right, bias)
    return c.reshape(*a.shape[:-1], columns)
