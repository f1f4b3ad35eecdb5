"""Attention on blocks of queries, float32: the Numba code under kernels/cpu/attention.py.

For each head the keys (and, for the gradient, the values) are packed once, transposed, into the panels that
`gemm.multiply` wants. Then a block of queries at a time: its scores against every key it sees, their softmax,
and the product with the values, all while the block is in cache; a thread holds (block, S) scores, not (T, S).
The gradient forms its block of weights again from the log-sum-exp. Arrays arrive as flat memory with strides
in elements for (batch, head, row), the last axis contiguous, so views of packed projections are not copied.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import njit
from .gemm import DEPTH, WIDEST, accumulate, multiply, panel_width, round_up
from .launch import Arguments, floats, integer, integers, real, several, task
from .packing import copy_rows, load_vector, pack, pack_transposed, store_row, unpack, whole_vectors
from .simd import (
    FASTMATH,
    LANES,
    vexp,
    vfill,
    vfma,
    vload,
    vmax,
    vmax_lane,
    vstore,
    vsum,
    vzero,
)
from .threads import LINE

Array = NDArray[np.intp]
Sizes = tuple[int, ...]

_INFINITY = np.float32(np.inf)
_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(fastmath=FASTMATH)
def _runs(depth):
    """The run 0, ..., depth - 1 in pieces that `multiply` takes."""
    pieces = -(-depth // DEPTH)
    runs = np.empty(2 * pieces, np.int64)
    for i in range(pieces):
        runs[2 * i] = i * DEPTH
        runs[2 * i + 1] = min(DEPTH, depth - i * DEPTH)
    return runs


@njit(fastmath=FASTMATH)
def _score(x, start, source, count, runs, packed, columns, s, target, zeros):
    """s = rows of x (count, the depth of `runs`) times a packed matrix, its first `columns`."""
    multiply(x, start, source, count, runs, packed, 0, columns, s, 0, target, zeros, 0)


@njit(fastmath=FASTMATH)
def _weigh(weights, source, count, keys, packed, size, columns, out, target, zeros):
    """out = weights (count, keys) times the first `keys` rows of a packed (size, columns)."""
    runs = _runs(keys)
    c = 0
    while c < columns:
        width = panel_width(columns - c)
        multiply(weights, 0, source, count, runs, packed, size * c, width, out, c, target, zeros, 0)
        c += width


@njit(fastmath=FASTMATH)
def _scatter(weights, source, count, key, size, rows, columns, packed):
    """packed (size, columns) += weights^T (keys, count) times rows (count, columns)."""
    c = 0
    while c < columns:
        width = panel_width(columns - c)
        accumulate(weights, 0, source, count, key, rows, c, columns, width, packed, size * c)
        c += width


@njit(fastmath=FASTMATH)
def _softmax_row(s, at, seen, keys, scale, mask, mask_at, masked):
    """Turns a row of raw scores into exp(score - peak); (peak, sum). Keys from `seen` on get weight 0."""
    peak = vfill(-_INFINITY)
    for j in range(0, seen, LANES):
        value = vload(s, at + j) * vfill(scale)
        if masked:
            value = value + load_vector(mask, mask_at + j, seen - j, _ZERO)
        vstore(s, at + j, value)
        peak = vmax(peak, load_vector(s, at + j, seen - j, -_INFINITY))
    greatest = vmax_lane(peak)
    shift = vfill(_ZERO if greatest == -_INFINITY else greatest)
    total = vzero()
    for j in range(0, seen, LANES):
        weight = vexp(load_vector(s, at + j, seen - j, -_INFINITY) - shift)
        vstore(s, at + j, weight)
        total = total + weight
    for j in range(whole_vectors(seen), keys, LANES):
        vstore(s, at + j, vzero())
    return greatest, vsum(total)


@njit(fastmath=FASTMATH)
def _gradient_row(s, ds, at, seen, keys, lse, correlation, scale, mask, mask_at, masked):
    """Raw scores in s and dP in ds become P and P (dP - correlation); keys from `seen` on get 0."""
    shift = vfill(_INFINITY if lse == -_INFINITY else lse)
    for j in range(0, seen, LANES):
        value = vload(s, at + j) * vfill(scale)
        if masked:
            value = value + load_vector(mask, mask_at + j, seen - j, _ZERO)
        vstore(s, at + j, value)
        weight = vexp(load_vector(s, at + j, seen - j, -_INFINITY) - shift)
        vstore(s, at + j, weight)
        vstore(ds, at + j, weight * (vload(ds, at + j) - vfill(correlation)))
    for j in range(whole_vectors(seen), keys, LANES):
        vstore(s, at + j, vzero())
        vstore(ds, at + j, vzero())


@njit(fastmath=FASTMATH)
def _dot(x, x_at, y, y_at, count):
    total = vzero()
    for j in range(0, count, LANES):
        total = vfma(load_vector(x, x_at + j, count - j, _ZERO), load_vector(y, y_at + j, count - j, _ZERO), total)
    return vsum(total)


@njit(fastmath=FASTMATH)
def _columns(keys, size):
    """Columns of scores to compute for the first `keys` of `size` keys: whole panels."""
    wide = WIDEST * LANES
    return min(-(-keys // wide) * wide, whole_vectors(size))


@task
def forward_task(block, part, parts):
    """Arguments: q, k, v, mask, y, lse, scale; the tables of `forward_plan`; a buffer, and what a thread has of it."""
    q, k, v = floats(block, 0), floats(block, 1), floats(block, 2)
    mask, y, lse = floats(block, 3), floats(block, 4), floats(block, 5)
    scale, zeros, sizes, strides = np.float32(real(block, 6)), floats(block, 7), integers(block, 8), integers(block, 9)
    q_rows, s_rows, out_rows = integers(block, 10), integers(block, 11), integers(block, 12)
    heads, queries, size, d, e, causal, masked, most, items = several(sizes, 1, 9)
    qb, qh, qr, kb, kh, kr, vb, vh, vr, mb, mh, mr, yb, yh, yr = several(strides, 0, 15)
    stride, columns, blocks = whole_vectors(size) + LANES, whole_vectors(e), -(-queries // most)
    keys_packed = floats(block, 13)[part * integer(block, 14) :]
    values_packed = keys_packed[d * whole_vectors(size) :]
    s = values_packed[size * columns :]
    out = s[most * stride :]
    run = _runs(d)
    held = -1
    for item in range(items * part // parts, items * (part + 1) // parts):
        head, first = item // blocks, item % blocks * most
        b, h = head // heads, head % heads
        if head != held:
            pack_transposed(k, b * kb + h * kh, kr, size, d, keys_packed)
            pack(v, b * vb + h * vh, vr, size, e, values_packed)
            held = head
        count = min(most, queries - first)
        keys = min(size, first + count) if causal else size
        start = b * qb + h * qh + first * qr
        _score(q, start, q_rows, count, run, keys_packed, _columns(keys, size), s, s_rows, zeros)
        for i in range(count):
            seen = min(size, first + i + 1) if causal else size
            at = i * stride
            peak, total = _softmax_row(s, at, seen, keys, scale, mask, b * mb + h * mh + (first + i) * mr, masked)
            lse[head * queries + first + i] = -_INFINITY if total == 0 else peak + np.float32(math.log(total))
            s[at + whole_vectors(size)] = _ZERO if total == 0 else _ONE / total
        _weigh(s, s_rows, count, keys, values_packed, size, columns, out, out_rows, zeros)
        for i in range(count):
            share = vfill(s[i * stride + whole_vectors(size)])
            store_row(out, i * columns, share, y, b * yb + h * yh + (first + i) * yr, e)


@task
def backward_task(block, part, parts):
    """Arguments: q, k, v, y, g, mask, lse, dq, dk, dv, scale; the tables of `backward_plan`; a buffer, and what a
    thread has of it."""
    q, k, v, y = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    g, mask, lse = floats(block, 4), floats(block, 5), floats(block, 6)
    dq, dk, dv = floats(block, 7), floats(block, 8), floats(block, 9)
    scale, zeros = np.float32(real(block, 10)), floats(block, 11)
    sizes, strides = integers(block, 12), integers(block, 13)
    q_rows, g_rows, s_rows, key = integers(block, 14), integers(block, 15), integers(block, 16), integers(block, 17)
    heads, queries, size, d, e, causal, masked, most, items = several(sizes, 1, 9)
    qb, qh, qr, kb, kh, kr, vb, vh, vr, yb, yh, yr, gb, gh, gr, mb, mh, mr = several(strides, 0, 18)
    dqb, dqh, dqr, dkb, dkh, dkr, dvb, dvh, dvr = several(strides, 18, 9)
    stride, d_columns, e_columns = whole_vectors(size) + LANES, whole_vectors(d), whole_vectors(e)
    keys_transposed = floats(block, 18)[part * integer(block, 19) :]
    values_transposed = keys_transposed[d * whole_vectors(size) :]
    keys_packed = values_transposed[e * whole_vectors(size) :]
    dk_packed = keys_packed[size * d_columns :]
    dv_packed = dk_packed[size * d_columns :]
    s = dv_packed[size * e_columns :]
    ds = s[most * stride :]
    q_block = ds[most * stride :]
    dq_block = q_block[most * d_columns :]
    g_block = dq_block[most * d_columns :]
    d_run, e_run = _runs(d), _runs(e)
    for head in range(items * part // parts, items * (part + 1) // parts):
        b, h = head // heads, head % heads
        pack_transposed(k, b * kb + h * kh, kr, size, d, keys_transposed)
        pack_transposed(v, b * vb + h * vh, vr, size, e, values_transposed)
        pack(k, b * kb + h * kh, kr, size, d, keys_packed)
        dk_packed[: size * d_columns] = _ZERO
        dv_packed[: size * e_columns] = _ZERO
        for first in range(0, queries, most):
            count = min(most, queries - first)
            keys = min(size, first + count) if causal else size
            columns = _columns(keys, size)
            g_start, y_start = b * gb + h * gh + first * gr, b * yb + h * yh + first * yr
            copy_rows(q, b * qb + h * qh + first * qr, qr, count, d, d_columns, q_block)
            copy_rows(g, g_start, gr, count, e, e_columns, g_block)
            _score(q_block, 0, q_rows, count, d_run, keys_transposed, columns, s, s_rows, zeros)
            _score(g_block, 0, g_rows, count, e_run, values_transposed, columns, ds, s_rows, zeros)
            for i in range(count):
                seen = min(size, first + i + 1) if causal else size
                shift = lse[head * queries + first + i]
                correlation = _dot(g, g_start + i * gr, y, y_start + i * yr, e)
                mask_at = b * mb + h * mh + (first + i) * mr
                _gradient_row(s, ds, i * stride, seen, keys, shift, correlation, scale, mask, mask_at, masked)
            _weigh(ds, s_rows, count, keys, keys_packed, size, d_columns, dq_block, q_rows, zeros)
            for i in range(count):
                store_row(dq_block, i * d_columns, vfill(scale), dq, b * dqb + h * dqh + (first + i) * dqr, d)
            _scatter(ds, s_rows, count, key[:keys], size, q_block, d_columns, dk_packed)
            _scatter(s, s_rows, count, key[:keys], size, g_block, e_columns, dv_packed)
        unpack(dk_packed, size, d, scale, dk, b * dkb + h * dkh, dkr)
        unpack(dv_packed, size, e, _ONE, dv, b * dvb + h * dvh, dvr)


class Plan(NamedTuple):
    """What attention of given sizes on arrays of given strides is done with."""

    tables: Arguments  # what the task reads behind the arrays
    size: int  # floats that a thread works in
    heads: int  # of all batches
    work: int  # multiplications


def _cache_lines(size: int) -> int:
    return -(-size // LINE) * LINE


def forward_plan(sizes: Sizes, strides: tuple[Sizes, ...], block: int) -> Plan:
    """Of `forward_task`, `block` queries at a time. `sizes` is (batch, heads, T, S, d, e, is_causal, masked); `strides`
    are those of q, k, v, mask and y, in bytes."""
    batch, heads, queries, size, d, e = sizes[:6]
    padded, columns = round_up(size), round_up(e)
    items = batch * heads * -(-queries // block)
    steps = _in_entries(strides)
    tables = (
        np.zeros(padded + columns, np.float32),
        np.array([*sizes, block, items]),
        steps,
        *(np.arange(block) * step for step in (steps[2], padded + LANES, columns)),
    )
    room = d * padded + size * columns + block * (padded + LANES + columns)
    return Plan(tables, _cache_lines(room), batch * heads, _work(sizes))


def backward_plan(sizes: Sizes, strides: tuple[Sizes, ...], block: int) -> Plan:
    """The same for `backward_task`, and the strides of q, k, v, y, g, mask, dq, dk and dv."""
    batch, heads, _, size, d, e = sizes[:6]
    padded, d_columns, e_columns = round_up(size), round_up(d), round_up(e)
    floats_per_head = (d + e) * padded + size * (2 * d_columns + e_columns)
    floats_per_query = 2 * (padded + LANES) + 2 * d_columns + e_columns
    tables = (
        np.zeros(padded + d_columns, np.float32),
        np.array([*sizes, block, batch * heads]),
        _in_entries(strides),
        *(np.arange(block) * step for step in (d_columns, e_columns, padded + LANES)),
        np.arange(size),
    )
    return Plan(tables, _cache_lines(floats_per_head + block * floats_per_query), batch * heads, _work(sizes))


def _work(sizes: Sizes) -> int:
    batch, heads, queries, keys, d, e = sizes[:6]
    return batch * heads * queries * keys * (d + e)


def _in_entries(strides: tuple[Sizes, ...]) -> Array:
    """Distances of batches, heads and rows of each array, in entries of four bytes."""
    return np.array([step // 4 for steps in strides for step in steps[:3]])
