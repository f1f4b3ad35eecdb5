"""Scaled dot-product attention and its gradients on a CUDA device, with no matrix of scores: see attention.cu.

Rows of up to 128 numbers; longer ones take the definition.
"""

from math import prod
from typing import Any

from ..definitions import attention as definition
from .launch import arithmetic, ceil_div, cupy, launch

Array = Any

_MOST = 128  # MOST in attention.cu


def _rows(dtype: Any) -> int:
    """ROWS in attention.cu: rows of a block, of which each has 8 or 16 of its 128 threads."""
    return 8 if dtype == "float64" else 16


class _Problem:
    """The sizes of one attention as the kernels take them, and its mask in one small piece."""

    def __init__(self, q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> None:
        self.dtype, self.lead = q.dtype, q.shape[:-2]
        self.batch, (self.queries, d), (self.keys, e) = prod(self.lead), q.shape[-2:], v.shape[-2:]
        self.mask: Array | None
        strides: tuple[int, ...]
        self.mask, strides = (None, (0, 0, 0)) if mask is None else self._mask(mask)
        self.options = (self.queries, self.keys, d, e, float(scale), int(is_causal), *strides)

    def _mask(self, mask: Array) -> tuple[Array, tuple[int, ...]]:
        """What is added to the scores, (1 or batch, 1 or T, 1 or S), and its strides, 0 where it repeats."""
        device = cupy()
        if mask.dtype == bool:
            mask = device.where(mask, 0.0, -float("inf"))
        mask = mask.astype(arithmetic(self.dtype)).reshape((1,) * (len(self.lead) + 2 - mask.ndim) + mask.shape)
        if prod(mask.shape[:-2]) != 1:
            mask = device.broadcast_to(mask, (*self.lead, *mask.shape[-2:]))
        mask = device.ascontiguousarray(mask).reshape(-1, *mask.shape[-2:])
        b, t, s = mask.shape
        return mask, (t * s if b > 1 else 0, s if t > 1 else 0, 1 if s > 1 else 0)

    def launch(self, name: str, rows: int, *arrays: Array) -> None:
        blocks = self.batch * ceil_div(rows, _rows(self.dtype))
        launch(f"attention/{name}", self.dtype, blocks, 128, *arrays, *self.options)


def attention(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> tuple[Array, Array]:
    """Attention of q (..., T, d) over k (..., S, d), v (..., S, e): y (..., T, e) and lse (..., T)."""
    if max(q.shape[-1], v.shape[-1]) > _MOST:
        return definition.attention(q, k, v, mask, is_causal, scale)
    device, problem = cupy(), _Problem(q, k, v, mask, is_causal, scale)
    y = device.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    lse = device.empty(q.shape[:-1], arithmetic(q.dtype))
    inputs = (device.ascontiguousarray(a, dtype=q.dtype) for a in (q, k, v))
    problem.launch("attention", problem.queries, *inputs, problem.mask, y, lse)
    return y, lse


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
    """Gradients (dq, dk, dv) for the cotangent g of y, from the forward's y and lse."""
    if max(q.shape[-1], v.shape[-1]) > _MOST:
        return definition.attention_backward(g, q, k, v, y, lse, mask, is_causal, scale)
    device, problem = cupy(), _Problem(q, k, v, mask, is_causal, scale)
    g, q, k, v, y = (device.ascontiguousarray(a, dtype=q.dtype) for a in (g, q, k, v, y))
    lse = device.ascontiguousarray(lse, dtype=arithmetic(q.dtype))
    dq, dk, dv = (device.empty(a.shape, q.dtype) for a in (q, k, v))
    along = device.empty(lse.shape, lse.dtype)
    problem.launch("backward_queries", problem.queries, g, q, k, v, y, lse, problem.mask, along, dq)
    problem.launch("backward_keys", problem.keys, g, q, k, v, lse, problem.mask, along, dk, dv)
    return dq, dk, dv
