"""Attention on blocks of queries, float32: the Numba code under kernels/cpu/attention.py.

For each head the keys (and, for the gradient, the values) are packed once, transposed, into the panels that
`gemm.multiply` wants. Then a block of queries at a time: its scores against every key it sees, their softmax,
and the product with the values, all while the block is in cache; a thread holds (block, S) scores, not (T, S).
The gradient forms its block of weights again from the log-sum-exp. Arrays arrive as flat memory with strides
in elements for (batch, head, row), the last axis contiguous, so views of packed projections are not copied.
"""

import math

import numpy as np
from numba import prange

from .gemm import DEPTH, WIDEST, accumulate, multiply
from .simd import (
    FASTMATH,
    LANES,
    njit,
    vexp,
    vfill,
    vfma,
    vload,
    vload_first,
    vmax,
    vmax_lane,
    vstore,
    vstore_first,
    vsum,
    vzero,
)

_INFINITY = np.float32(np.inf)
_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(fastmath=FASTMATH, cache=True)
def _load(x, at, left, fill):
    """The vector at x[at:], of which `left` elements exist; the other lanes are `fill`."""
    return vload(x, at) if left >= LANES else vload_first(x, at, left, fill)


@njit(fastmath=FASTMATH, cache=True)
def _store(x, at, left, value):
    if left >= LANES:
        vstore(x, at, value)
    else:
        vstore_first(x, at, value, left)


@njit(fastmath=FASTMATH, cache=True)
def _padded(columns):
    return -(-columns // LANES) * LANES


@njit(fastmath=FASTMATH, cache=True)
def _panel(columns_left):
    """Columns of the next panel, as `gemm.panels` cuts them."""
    vectors = columns_left // LANES
    return LANES * (WIDEST if vectors >= WIDEST else (2 if vectors >= 2 else 1))


@njit(fastmath=FASTMATH, cache=True)
def _pack_transposed(x, start, stride, rows, columns, packed):
    """The transpose of x (rows, columns) as panels; panel columns beyond `rows` are zero."""
    padded = _padded(rows)
    c = 0
    while c < padded:
        width = _panel(padded - c)
        for j in range(c, c + width):
            if j < rows:
                for i in range(columns):
                    packed[columns * c + i * width + j - c] = x[start + j * stride + i]
            else:
                for i in range(columns):
                    packed[columns * c + i * width + j - c] = _ZERO
        c += width


@njit(fastmath=FASTMATH, cache=True)
def _pack(x, start, stride, rows, columns, packed):
    """x (rows, columns) as panels; columns padded with zeros."""
    padded = _padded(columns)
    c = 0
    while c < padded:
        width = _panel(padded - c)
        for i in range(rows):
            for j in range(0, width, LANES):
                value = vzero()
                if c + j < columns:
                    value = _load(x, start + i * stride + c + j, columns - c - j, _ZERO)
                vstore(packed, rows * c + i * width + j, value)
        c += width


@njit(fastmath=FASTMATH, cache=True)
def _unpack(packed, rows, columns, scale, x, start, stride):
    """The inverse of `_pack`, times `scale`."""
    padded = _padded(columns)
    c = 0
    while c < padded:
        width = _panel(padded - c)
        for i in range(rows):
            for j in range(0, min(width, columns - c), LANES):
                value = vload(packed, rows * c + i * width + j) * vfill(scale)
                _store(x, start + i * stride + c + j, columns - c - j, value)
        c += width


@njit(fastmath=FASTMATH, cache=True)
def _copy_rows(x, start, stride, rows, columns, padded, out):
    """x (rows, columns) row after row, columns padded with zeros to `padded`."""
    for i in range(rows):
        for j in range(0, padded, LANES):
            value = vzero()
            if j < columns:
                value = _load(x, start + i * stride + j, columns - j, _ZERO)
            vstore(out, i * padded + j, value)


@njit(fastmath=FASTMATH, cache=True)
def _multiples(step, count):
    return np.arange(count) * step


@njit(fastmath=FASTMATH, cache=True)
def _runs(depth):
    """The run 0, ..., depth - 1 in pieces that `multiply` takes."""
    pieces = -(-depth // DEPTH)
    runs = np.empty(2 * pieces, np.int64)
    for i in range(pieces):
        runs[2 * i] = i * DEPTH
        runs[2 * i + 1] = min(DEPTH, depth - i * DEPTH)
    return runs


@njit(fastmath=FASTMATH, cache=True)
def _score(x, start, source, count, runs, packed, columns, s, target, zeros):
    """s = rows of x (count, the depth of `runs`) times a packed matrix, its first `columns`."""
    multiply(x, start, source, count, runs, packed, 0, columns, s, 0, target, zeros, 0)


@njit(fastmath=FASTMATH, cache=True)
def _weigh(weights, source, count, keys, packed, size, columns, out, target, zeros):
    """out = weights (count, keys) times the first `keys` rows of a packed (size, columns)."""
    runs = _runs(keys)
    c = 0
    while c < columns:
        width = _panel(columns - c)
        multiply(weights, 0, source, count, runs, packed, size * c, width, out, c, target, zeros, 0)
        c += width


@njit(fastmath=FASTMATH, cache=True)
def _scatter(weights, source, count, key, size, rows, columns, packed):
    """packed (size, columns) += weights^T (keys, count) times rows (count, columns)."""
    c = 0
    while c < columns:
        width = _panel(columns - c)
        accumulate(weights, 0, source, count, key, rows, c, columns, width, packed, size * c)
        c += width


@njit(fastmath=FASTMATH, cache=True)
def _softmax_row(s, at, seen, keys, scale, mask, mask_at, masked):
    """Turns a row of raw scores into exp(score - peak); (peak, sum). Keys from `seen` on get weight 0."""
    peak = vfill(-_INFINITY)
    for j in range(0, seen, LANES):
        value = vload(s, at + j) * vfill(scale)
        if masked:
            value = value + _load(mask, mask_at + j, seen - j, _ZERO)
        vstore(s, at + j, value)
        peak = vmax(peak, _load(s, at + j, seen - j, -_INFINITY))
    greatest = vmax_lane(peak)
    shift = vfill(_ZERO if greatest == -_INFINITY else greatest)
    total = vzero()
    for j in range(0, seen, LANES):
        weight = vexp(_load(s, at + j, seen - j, -_INFINITY) - shift)
        vstore(s, at + j, weight)
        total = total + weight
    for j in range(_padded(seen), keys, LANES):
        vstore(s, at + j, vzero())
    return greatest, vsum(total)


@njit(fastmath=FASTMATH, cache=True)
def _softmax_gradient_row(s, ds, at, seen, keys, lse, correlation, scale, mask, mask_at, masked):
    """Raw scores in s and dP in ds become P and P (dP - correlation); keys from `seen` on get 0."""
    shift = vfill(_INFINITY if lse == -_INFINITY else lse)
    for j in range(0, seen, LANES):
        value = vload(s, at + j) * vfill(scale)
        if masked:
            value = value + _load(mask, mask_at + j, seen - j, _ZERO)
        vstore(s, at + j, value)
        weight = vexp(_load(s, at + j, seen - j, -_INFINITY) - shift)
        vstore(s, at + j, weight)
        vstore(ds, at + j, weight * (vload(ds, at + j) - vfill(correlation)))
    for j in range(_padded(seen), keys, LANES):
        vstore(s, at + j, vzero())
        vstore(ds, at + j, vzero())


@njit(fastmath=FASTMATH, cache=True)
def _dot(x, x_at, y, y_at, count):
    total = vzero()
    for j in range(0, count, LANES):
        total = vfma(_load(x, x_at + j, count - j, _ZERO), _load(y, y_at + j, count - j, _ZERO), total)
    return vsum(total)


@njit(fastmath=FASTMATH, cache=True)
def _columns(keys, size):
    """Columns of scores to compute for the first `keys` of `size` keys: whole panels."""
    wide = WIDEST * LANES
    return min(-(-keys // wide) * wide, _padded(size))


@njit(parallel=True, fastmath=FASTMATH, cache=True)
def forward(q, qs, k, ks, v, vs, mask, ms, masked, causal, scale, y, ys, lse, sizes, block, parts):
    """Attention of every head; `block` queries at a time, the blocks of all heads cut into `parts`.

    `sizes` is (batch, heads, T, S, d, e); each of qs, ks, vs, ms, ys the strides (batch, head, row).
    """
    batch, heads, queries, size, d, e = sizes
    blocks = -(-queries // block)
    items = batch * heads * blocks
    for part in prange(parts):
        stride, columns = _padded(size) + LANES, _padded(e)
        keys_packed = np.empty(d * _padded(size), np.float32)
        values_packed = np.empty(size * columns, np.float32)
        s = np.empty(block * stride, np.float32)
        out = np.empty(block * columns, np.float32)
        source, target, to = _multiples(qs[2], block), _multiples(stride, block), _multiples(columns, block)
        zeros = np.zeros(stride + columns, np.float32)
        run = _runs(d)
        held = -1
        for item in range(items * part // parts, items * (part + 1) // parts):
            head, first = item // blocks, item % blocks * block
            b, h = head // heads, head % heads
            if head != held:
                _pack_transposed(k, b * ks[0] + h * ks[1], ks[2], size, d, keys_packed)
                _pack(v, b * vs[0] + h * vs[1], vs[2], size, e, values_packed)
                held = head
            count = min(block, queries - first)
            keys = min(size, first + count) if causal else size
            start = b * qs[0] + h * qs[1] + first * qs[2]
            _score(q, start, source, count, run, keys_packed, _columns(keys, size), s, target, zeros)
            for i in range(count):
                seen = min(size, first + i + 1) if causal else size
                mask_at = b * ms[0] + h * ms[1] + (first + i) * ms[2]
                peak, total = _softmax_row(s, i * stride, seen, keys, scale, mask, mask_at, masked)
                at = head * queries + first + i
                lse[at] = -_INFINITY if total == 0 else peak + np.float32(math.log(total))
                s[i * stride + _padded(size)] = _ZERO if total == 0 else _ONE / total
            _weigh(s, target, count, keys, values_packed, size, columns, out, to, zeros)
            start = b * ys[0] + h * ys[1] + first * ys[2]
            for i in range(count):
                share = vfill(s[i * stride + _padded(size)])
                for j in range(0, e, LANES):
                    value = vload(out, i * columns + j) * share
                    _store(y, start + i * ys[2] + j, e - j, value)


@njit(parallel=True, fastmath=FASTMATH, cache=True)
def backward(
    g, gs, q, qs, k, ks, v, vs, y, ys, lse, mask, ms, masked, causal, scale,
    dq, dqs, dk, dks, dv, dvs, sizes, block, parts,
):  # fmt: skip
    """Gradients of every head; the heads are cut into `parts`. Arguments as `forward`."""
    batch, heads, queries, size, d, e = sizes
    for part in prange(parts):
        stride, d_columns, e_columns = _padded(size) + LANES, _padded(d), _padded(e)
        keys_transposed = np.empty(d * _padded(size), np.float32)
        values_transposed = np.empty(e * _padded(size), np.float32)
        keys_packed = np.empty(size * d_columns, np.float32)
        dk_packed = np.empty(size * d_columns, np.float32)
        dv_packed = np.empty(size * e_columns, np.float32)
        s, ds = np.empty(block * stride, np.float32), np.empty(block * stride, np.float32)
        q_rows, g_rows = np.empty(block * d_columns, np.float32), np.empty(block * e_columns, np.float32)
        dq_rows = np.empty(block * d_columns, np.float32)
        q_source, g_source = _multiples(d_columns, block), _multiples(e_columns, block)
        source = _multiples(stride, block)
        key = np.arange(size)
        zeros = np.zeros(stride + d_columns, np.float32)
        d_run, e_run = _runs(d), _runs(e)
        for head in range(batch * heads * part // parts, batch * heads * (part + 1) // parts):
            b, h = head // heads, head % heads
            k_start, v_start = b * ks[0] + h * ks[1], b * vs[0] + h * vs[1]
            _pack_transposed(k, k_start, ks[2], size, d, keys_transposed)
            _pack_transposed(v, v_start, vs[2], size, e, values_transposed)
            _pack(k, k_start, ks[2], size, d, keys_packed)
            dk_packed[:] = _ZERO
            dv_packed[:] = _ZERO
            for first in range(0, queries, block):
                count = min(block, queries - first)
                keys = min(size, first + count) if causal else size
                columns = _columns(keys, size)
                g_start = b * gs[0] + h * gs[1] + first * gs[2]
                y_start = b * ys[0] + h * ys[1] + first * ys[2]
                _copy_rows(q, b * qs[0] + h * qs[1] + first * qs[2], qs[2], count, d, d_columns, q_rows)
                _copy_rows(g, g_start, gs[2], count, e, e_columns, g_rows)
                _score(q_rows, 0, q_source, count, d_run, keys_transposed, columns, s, source, zeros)
                _score(g_rows, 0, g_source, count, e_run, values_transposed, columns, ds, source, zeros)
                for i in range(count):
                    seen = min(size, first + i + 1) if causal else size
                    mask_at = b * ms[0] + h * ms[1] + (first + i) * ms[2]
                    _softmax_gradient_row(
                        s,
                        ds,
                        i * stride,
                        seen,
                        keys,
                        lse[head * queries + first + i],
                        _dot(g, g_start + i * gs[2], y, y_start + i * ys[2], e),
                        scale,
                        mask,
                        mask_at,
                        masked,
                    )
                _weigh(ds, source, count, keys, keys_packed, size, d_columns, dq_rows, q_source, zeros)
                start = b * dqs[0] + h * dqs[1] + first * dqs[2]
                for i in range(count):
                    for j in range(0, d, LANES):
                        value = vload(dq_rows, i * d_columns + j) * vfill(scale)
                        _store(dq, start + i * dqs[2] + j, d - j, value)
                _scatter(ds, source, count, key[:keys], size, q_rows, d_columns, dk_packed)
                _scatter(s, source, count, key[:keys], size, g_rows, e_columns, dv_packed)
            _unpack(dk_packed, size, d, scale, dk, b * dks[0] + h * dks[1], dks[2])
            _unpack(dv_packed, size, e, _ONE, dv, b * dvs[0] + h * dvs[1], dvs[2])
