"""Attention on the CPU without the (T, S) matrix of scores: float32 in Numba, float64 in blocks of NumPy.

The same functions as kernels/definitions/attention.py, held to it by tests/kernels/test_attention.py. Results
take the memory order of what they belong to (y that of q, dq of q, dk of k, dv of v): heads that are views of
one packed projection come back ready to be merged without a copy.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..definitions import attention as definition
from ..definitions.shapes import check_shape
from ..loops import compact
from .attention_blocks import Plan, Sizes, backward_plan, backward_task, forward_plan, forward_task
from .launch import launch
from .threads import memory, thread_count

Array = np.ndarray
FLOAT = np.dtype(np.float32)

BLOCK = 30  # queries at a time; whole tiles of 6 and of 10 rows (gemm.ROWS)
BLOCK_FLOAT64 = 64
SERIAL = 200_000  # multiplications worth a thread
_NOTHING = np.zeros((1, 1, 1, 1), FLOAT)  # in the place of a mask


def attention(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> tuple[Array, Array]:
    """Attention of q over (k, v): (y, lse), in the dtype of q; see the definition."""
    usual = q.ndim == 4 and q.dtype == k.dtype == v.dtype == FLOAT
    if not usual:
        _check("attention", q, k, v)
        if q.dtype != FLOAT:
            return _float64(q, k.astype(q.dtype, copy=False), v.astype(q.dtype, copy=False), mask, is_causal, scale)
    q4, k4, v4 = (q, k, v) if usual else map(_four, (q, k, v))
    added = _NOTHING if mask is None else _additive(mask, q.shape[:-2], q.shape[-2], k.shape[-2])
    shapes, strides = (q4.shape, k4.shape, v4.shape), (q4.strides, k4.strides, v4.strides, added.strides)
    form = _form("attention", shapes, strides, is_causal, mask is not None)
    if form is None:
        return definition.attention(q, k, v, mask, is_causal, scale)
    y, lse, plan = _new(form.made[0]), np.empty(q.shape[:-1], FLOAT), form.plan
    parts, arrays = thread_count(plan.work, SERIAL), _copied((q4, k4, v4), form)
    buffer = memory("attention", parts * plan.size)
    launch(forward_task, parts, arrays, added, y, lse, float(scale), plan.tables, buffer, plan.size)
    return y if usual else y.reshape(*q.shape[:-1], v.shape[-1]), lse


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
    if g.dtype != FLOAT:
        q, k, v, y, lse = (x.astype(g.dtype, copy=False) for x in (q, k, v, y, lse))
        return _float64_backward(g, q, k, v, y, lse, mask, is_causal, scale)
    arrays = tuple(map(_four, (q, k, v, y, g)))
    added = _NOTHING if mask is None else _additive(mask, q.shape[:-2], q.shape[-2], k.shape[-2])
    shapes, strides = tuple([a.shape for a in arrays]), tuple([a.strides for a in (*arrays, added)])
    form = _form("attention_backward", shapes, strides, is_causal, mask is not None)
    if form is None:
        return definition.attention_backward(g, q, k, v, y, lse, mask, is_causal, scale)
    made, plan = tuple(map(_new, form.made)), form.plan
    parts = min(plan.heads, thread_count(plan.work, SERIAL))
    buffer = memory("attention", parts * plan.size)
    given = (*_copied(arrays, form), added, np.ascontiguousarray(lse, FLOAT))
    launch(backward_task, parts, given, made, float(scale), plan.tables, buffer, plan.size)
    if q.ndim == 4:
        return made  # type: ignore[return-value]
    return tuple([d.reshape(x.shape) for d, x in zip(made, (q, k, v))])  # type: ignore[return-value]


def _check(kernel: str, q: Array, k: Array, v: Array) -> None:
    of_q, of_k, of_v = q.shape, k.shape, v.shape
    if of_k[:-2] != of_q[:-2] or of_k[-1] != of_q[-1]:
        check_shape(kernel, "k", k, (*of_q[:-2], of_k[-2], of_q[-1]))
    if of_v[:-1] != of_k[:-1]:
        check_shape(kernel, "v", v, (*of_k[:-1], of_v[-1]))


def _four(x: Array) -> Array:
    """x as (batch, heads, rows, columns) of float32. All leading axes but the last make the batch."""
    x = x if x.dtype == FLOAT else x.astype(FLOAT)
    lead = x.shape[:-2]
    return x if x.ndim == 4 else x.reshape(math.prod(lead[:-1]), lead[-1] if lead else 1, *x.shape[-2:])


class _Made(NamedTuple):
    """A new array: its sizes in the order of memory, and its axes among these where they are in another order."""

    sizes: Sizes
    seen: Sizes | None
    strides: Sizes


class _Form(NamedTuple):
    """Which of the arrays are copied, and what is made."""

    copied: tuple[int, ...]
    made: tuple[_Made, ...]
    plan: Plan


@lru_cache(maxsize=512)
def _form(
    kernel: str, shapes: tuple[Sizes, ...], strides: tuple[Sizes, ...], is_causal: bool, masked: bool
) -> _Form | None:
    """What `kernel` does with arrays of these, q, k and v first, and with a mask of the last strides: found once, it
    takes longer than a small attention. None where there is nothing to do; ValueError for shapes that do not fit."""
    of_q, of_k, of_v = shapes[:3]
    _check(kernel, *[np.broadcast_to(FLOAT.type(0), shape) for shape in shapes[:3]])
    if 0 in of_q or 0 in of_v:
        return None
    sizes = (*of_q[:3], of_k[2], of_q[3], of_v[3], is_causal, masked)
    copied = tuple([i for i, step in enumerate(strides[:-1]) if not _can_be_read(step)])
    steps = [_strides(shapes[i], range(4)) if i in copied else step for i, step in enumerate(strides)]
    forward = kernel == "attention"
    columns = [of_v[3]] if forward else [shape[3] for shape in shapes[:3]]
    made = tuple([_like(*of_one) for of_one in zip(shapes, steps, columns)])
    plan = forward_plan if forward else backward_plan
    return _Form(copied, made, plan(sizes, (*steps, *[x.strides for x in made]), BLOCK))


def _can_be_read(strides: Sizes) -> bool:
    """Whether columns are contiguous and all else whole entries further on: fields of records may lie in between."""
    return strides[3] == FLOAT.itemsize and min(strides) >= 0 and not any(step % FLOAT.itemsize for step in strides)


def _strides(shape: Sizes, order: Sequence[int]) -> Sizes:
    return tuple([FLOAT.itemsize * step for step in compact(shape, order)])


def _like(shape: Sizes, strides: Sizes, columns: int) -> _Made:
    """Of this shape but for its columns, with the batch, heads and rows in the order in which they lie in memory."""
    sizes = (*shape[:3], columns)
    order = [*sorted(range(3), key=lambda axis: -strides[axis]), 3]
    seen = tuple([order.index(axis) for axis in range(4)])
    return _Made(tuple([sizes[axis] for axis in order]), None if seen == (0, 1, 2, 3) else seen, _strides(sizes, order))


def _new(made: _Made) -> Array:
    y = np.empty(made.sizes, FLOAT)
    return y if made.seen is None else y.transpose(made.seen)


def _copied(arrays: tuple[Array, ...], form: _Form) -> tuple[Array, ...]:
    """The arrays with their columns contiguous."""
    return tuple([a.copy() if i in form.copied else a for i, a in enumerate(arrays)]) if form.copied else arrays


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
