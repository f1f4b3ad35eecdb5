"""Attention on the CPU without the (T, S) matrix of scores: float32 in Numba, float64 in blocks of NumPy.

The same functions as kernels/definitions/attention.py, held to it by tests/kernels/test_attention.py. Results
take the memory order of what they belong to (y that of q, dq of q, dk of k, dv of v): heads that are views of
one packed projection come back ready to be merged without a copy.
"""

import math
from typing import Any

import numpy as np

from ..definitions import attention as definition
from ..definitions.shapes import check_shape
from .threads import thread_count

Array = np.ndarray

BLOCK = 30  # queries at a time; whole tiles of 6 and of 10 rows (gemm.ROWS)
BLOCK_FLOAT64 = 64
SERIAL = 200_000  # multiplications worth a thread


def attention(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> tuple[Array, Array]:
    """Attention of q over (k, v): (y, lse), in the dtype of q; see the definition."""
    _check("attention", q, k, v)
    k, v = (x.astype(q.dtype, copy=False) for x in (k, v))
    if 0 in q.shape or 0 in v.shape:
        return definition.attention(q, k, v, mask, is_causal, scale)
    if q.dtype != np.float32:
        return _float64(q, k, v, mask, is_causal, scale)
    from .attention_blocks import forward

    sizes = _sizes(q, v)
    (batch, heads, queries, keys, d, e), lead = sizes, q.shape[:-2]
    q4, k4, v4 = _four(q), _four(k), _four(v)
    y4 = _empty_like(q4, e)
    lse = np.empty((*lead, queries), np.float32)
    work = batch * heads * queries * keys * (d + e)
    flat, masked = _additive(mask, lead, sizes)
    forward(
        (_placed(q4), _placed(k4), _placed(v4), flat, _placed(y4)),
        lse.reshape(-1),
        scale,
        (*sizes, is_causal, masked),
        BLOCK,
        thread_count(work, SERIAL),
    )
    return y4.reshape(*lead, queries, e), lse


def attention_backward(
    g: Array,
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    lse: Array,
    mask: Array | None,
    is_causal: bool,
    scale: float,
) -> tuple[Array, Array, Array]:
    """Gradients (dq, dk, dv) for the cotangent g of y; see the definition."""
    _check("attention_backward", q, k, v)
    check_shape("attention_backward", "y", y, (*q.shape[:-1], v.shape[-1]))
    check_shape("attention_backward", "g", g, y.shape)
    check_shape("attention_backward", "lse", lse, q.shape[:-1])
    q, k, v, y, lse = (x.astype(g.dtype, copy=False) for x in (q, k, v, y, lse))
    if 0 in q.shape or 0 in v.shape:
        return definition.attention_backward(g, q, k, v, y, lse, mask, is_causal, scale)
    if g.dtype != np.float32:
        return _float64_backward(g, q, k, v, y, lse, mask, is_causal, scale)
    from .attention_blocks import backward

    sizes = _sizes(q, v)
    batch, heads, queries, keys, d, e = sizes
    g4, q4, k4, v4, y4 = (_four(x) for x in (g, q, k, v, y))
    dq, dk, dv = _empty_like(q4, d), _empty_like(k4, d), _empty_like(v4, e)
    work = batch * heads * queries * keys * (d + e)
    flat, masked = _additive(mask, q.shape[:-2], sizes)
    backward(
        (_placed(g4), _placed(q4), _placed(k4), _placed(v4), _placed(y4), flat),
        np.ascontiguousarray(lse).reshape(-1),
        (_placed(dq), _placed(dk), _placed(dv)),
        scale,
        (*sizes, is_causal, masked),
        BLOCK,
        min(batch * heads, thread_count(work, SERIAL)),
    )
    return dq.reshape(q.shape), dk.reshape(k.shape), dv.reshape(v.shape)


def _check(kernel: str, q: Array, k: Array, v: Array) -> None:
    check_shape(kernel, "k", k, (*q.shape[:-2], k.shape[-2], q.shape[-1]))
    check_shape(kernel, "v", v, (*k.shape[:-1], v.shape[-1]))


def _sizes(q: Array, v: Array) -> tuple[int, int, int, int, int, int]:
    """(batch, heads, T, S, d, e); all leading dimensions but the last make the batch."""
    lead = q.shape[:-2]
    heads = lead[-1] if lead else 1
    batch = math.prod(lead[:-1])
    return batch, heads, q.shape[-2], v.shape[-2], q.shape[-1], v.shape[-1]


def _four(x: Array) -> Array:
    """x as (batch, heads, rows, columns), its columns contiguous; a copy only where a view cannot be had."""
    lead = x.shape[:-2]
    x = x.reshape(math.prod(lead[:-1]), lead[-1] if lead else 1, *x.shape[-2:])
    if (x.shape[-1] == 1 or x.strides[-1] == x.itemsize) and min(x.strides) >= 0 and x.flags.aligned:
        return x
    return np.ascontiguousarray(x)


def _placed(x: Array) -> tuple[Array, tuple[int, int, int]]:
    """x (4-D, columns contiguous) and its strides in elements: where its elements are, from its first one."""
    batch, head, row, _ = x.strides
    return x, (batch // x.itemsize, head // x.itemsize, row // x.itemsize)


def _empty_like(x: Array, columns: int) -> Array:
    """A new array of the shape of x but for its columns, with the batch, heads and rows in x's order."""
    order = sorted(range(3), key=lambda axis: -x.strides[axis])
    array = np.empty([x.shape[axis] for axis in order] + [columns], x.dtype)
    return array.transpose([order.index(axis) for axis in range(3)] + [3])


def _additive(
    mask: Array | None, lead: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[tuple[Array, tuple[int, int, int]], bool]:
    """The mask as something to add: its memory and strides (0 where broadcast), and whether there is one."""
    if mask is None:
        return (np.zeros(1, np.float32), (0, 0, 0)), False
    queries, keys = sizes[2:4]
    if mask.dtype == bool:
        mask = np.where(mask, np.float32(0), np.float32(-np.inf))
    mask = np.broadcast_to(mask, (*mask.shape[:-1], keys)).astype(np.float32, order="C")
    return _placed(_four(np.broadcast_to(mask, (*lead, queries, keys)))), True


def _float64(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> tuple[Array, Array]:
    y = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    lse = np.empty(q.shape[:-1], q.dtype)
    for i in range(0, q.shape[-2], BLOCK_FLOAT64):
        rows = slice(i, i + BLOCK_FLOAT64)
        y[..., rows, :], lse[..., rows] = definition.attention_rows(
            q[..., rows, :], k, v, _mask_rows(mask, rows), is_causal, scale, i
        )
    return y, lse


def _float64_backward(
    g: Array,
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    lse: Array,
    mask: Array | None,
    is_causal: bool,
    scale: float,
) -> tuple[Array, Array, Array]:
    dq, dk, dv = np.empty_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(0, q.shape[-2], BLOCK_FLOAT64):
        rows = slice(i, i + BLOCK_FLOAT64)
        dq[..., rows, :], more_k, more_v = definition.attention_backward_rows(
            g[..., rows, :],
            q[..., rows, :],
            k,
            v,
            y[..., rows, :],
            lse[..., rows],
            _mask_rows(mask, rows),
            is_causal,
            scale,
            i,
        )
        dk += more_k
        dv += more_v
    return dq, dk, dv


def _mask_rows(mask: Array | None, rows: slice) -> Array | None:
    """The part of the mask for some queries; a mask that is the same for all queries stays whole."""
    shared: Any = mask is None or mask.ndim < 2 or mask.shape[-2] == 1
    return mask if shared else mask[..., rows, :]  # type: ignore[index]
