"""Attention on the CPU without the (T, S) matrix of scores: float32 in Numba, float64 in blocks of NumPy.

The same functions as kernels/definitions/attention.py, held to it by tests/kernels/test_attention.py. Results
take the memory order of what they belong to (y that of q, dq of q, dk of k, dv of v): heads that are views of
one packed projection come back ready to be merged without a copy.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..definitions import attention as definition
from ..definitions.shapes import check_shape
from .attention_blocks import backward_plan, backward_task, forward_plan, forward_task
from .launch import launch
from .threads import memory, thread_count

Array = np.ndarray
FLOAT = np.dtype(np.float32)

BLOCK = 30  # queries at a time; whole tiles of 6 and of 10 rows (gemm.ROWS)
BLOCK_FLOAT64 = 64
SERIAL = 200_000  # multiplications worth a thread


def attention(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> tuple[Array, Array]:
    """Attention of q over (k, v): (y, lse), in the dtype of q; see the definition."""
    _check("attention", q, k, v)
    if 0 in q.shape or 0 in v.shape:
        return definition.attention(q, k.astype(q.dtype), v.astype(q.dtype), mask, is_causal, scale)
    if q.dtype != FLOAT:
        return _float64(q, k.astype(q.dtype, copy=False), v.astype(q.dtype, copy=False), mask, is_causal, scale)
    q4, k4, v4 = _four(q), _four(k), _four(v)
    added = _NOTHING if mask is None else _additive(mask, q.shape[:-2], q4.shape[2], k4.shape[2])
    y4, lse = _empty_like(q4, v4.shape[3]), np.empty(q.shape[:-1], FLOAT)
    strides = (q4.strides, k4.strides, v4.strides, added.strides, y4.strides)
    sizes = _sizes(q4, v4, is_causal, mask)
    plan = forward_plan(sizes, strides, BLOCK)
    parts = thread_count(plan.work, SERIAL)
    buffer = memory("attention", parts * plan.size)
    launch(forward_task, parts, q4, k4, v4, added, y4, lse, float(scale), plan.tables, buffer, plan.size)
    return y4 if q.ndim == 4 else y4.reshape(*q.shape[:-1], y4.shape[3]), lse


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
    if 0 in q.shape or 0 in v.shape or g.dtype != FLOAT:
        q, k, v, y, lse = (x.astype(g.dtype, copy=False) for x in (q, k, v, y, lse))
        by = definition.attention_backward if 0 in q.shape or 0 in v.shape else _float64_backward
        return by(g, q, k, v, y, lse, mask, is_causal, scale)
    g4, q4, k4, v4, y4 = _four(g), _four(q), _four(k), _four(v), _four(y)
    added = _NOTHING if mask is None else _additive(mask, q.shape[:-2], q4.shape[2], k4.shape[2])
    dq, dk, dv = _empty_like(q4, q4.shape[3]), _empty_like(k4, k4.shape[3]), _empty_like(v4, v4.shape[3])
    strides = (g4.strides, q4.strides, k4.strides, v4.strides, y4.strides, added.strides)
    sizes = _sizes(q4, v4, is_causal, mask)
    plan = backward_plan(sizes, (*strides, dq.strides, dk.strides, dv.strides), BLOCK)
    parts = min(plan.heads, thread_count(plan.work, SERIAL))
    buffer = memory("attention", parts * plan.size)
    arrays = (g4, q4, k4, v4, y4, added, np.ascontiguousarray(lse, FLOAT), dq, dk, dv)
    launch(backward_task, parts, arrays, float(scale), plan.tables, buffer, plan.size)
    if q.ndim == 4:
        return dq, dk, dv
    return dq.reshape(q.shape), dk.reshape(k.shape), dv.reshape(v.shape)


def _check(kernel: str, q: Array, k: Array, v: Array) -> None:
    of_q, of_k, of_v = q.shape, k.shape, v.shape
    if of_k[:-2] != of_q[:-2] or of_k[-1] != of_q[-1]:
        check_shape(kernel, "k", k, (*of_q[:-2], of_k[-2], of_q[-1]))
    if of_v[:-1] != of_k[:-1]:
        check_shape(kernel, "v", v, (*of_k[:-1], of_v[-1]))


def _four(x: Array) -> Array:
    """x as (batch, heads, rows, columns) of float32, its columns contiguous; a copy only where a view cannot be had.
    All leading axes but the last make the batch."""
    if x.ndim != 4:
        lead = x.shape[:-2]
        x = x.reshape(math.prod(lead[:-1]), lead[-1] if lead else 1, *x.shape[-2:])
    strides = x.strides
    if x.dtype == FLOAT and strides[3] == 4 and min(strides) >= 0 and x.flags.aligned:
        return x
    return np.ascontiguousarray(x, FLOAT)


def _sizes(q: Array, v: Array, is_causal: bool, mask: Array | None) -> tuple[int, ...]:
    """(batch, heads, T, S, d, e, is_causal, masked)."""
    batch, heads, queries, d = q.shape
    _, _, keys, e = v.shape
    return batch, heads, queries, keys, d, e, is_causal, mask is not None


@lru_cache(maxsize=512)
def _order(strides: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Batch, heads and rows in the order in which they lie in memory, columns last; and the way back."""
    order = [*sorted(range(3), key=lambda axis: -strides[axis]), 3]
    return order, [order.index(axis) for axis in range(4)]


def _empty_like(x: Array, columns: int) -> Array:
    """A new array of the shape of x but for its columns, with the batch, heads and rows in x's order."""
    sizes = (*x.shape[:3], columns)
    if x.flags.c_contiguous:
        return np.empty(sizes, FLOAT)
    order, back = _order(x.strides)
    return np.empty([sizes[axis] for axis in order], FLOAT).transpose(back)


_NOTHING = np.zeros((1, 1, 1, 1), FLOAT)  # in the place of a mask


def _additive(mask: Array, lead: tuple[int, ...], queries: int, keys: int) -> Array:
    """The mask as something to add, (batch, heads, T, S): steps of 0 where it is broadcast."""
    if mask.dtype == bool:
        mask = np.where(mask, np.float32(0), np.float32(-np.inf))
    mask = np.broadcast_to(mask, (*mask.shape[:-1], keys)).astype(np.float32, order="C")
    return _four(np.broadcast_to(mask, (*lead, queries, keys)))


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
