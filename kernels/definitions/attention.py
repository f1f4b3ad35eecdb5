"""Scaled dot-product attention (Vaswani et al. 2017, equation 1) and its gradient: the NumPy definition.

    S = scale Q K^T + mask,   lse_i = log sum_j exp S_ij,   P_ij = exp(S_ij - lse_i),   Y = P V
    dV = P^T G,   dP = G V^T,   dS = P * (dP - rowsum(G * Y)),   dQ = scale dS K,   dK = scale dS^T Q

Shapes: q (..., T, d), k (..., S, d), v (..., S, e), y and g (..., T, e), lse (..., T); the leading dimensions
of q, k and v are equal. The mask broadcasts to (..., T, S): Boolean (True: attend) or added to the scores.
`is_causal` lets query i see keys j <= i, also where T != S (aligned at the top left, as PyTorch's).
A query that sees no key gets y = 0, lse = -inf and no gradient. Everything is computed in float64 and rounded
once. Held by tests/kernels/test_attention.py.
"""

import math
from typing import Any

import numpy

from ..array_module import arithmetic, xp

Array = Any


def attention(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> tuple[Array, Array]:
    """Attention of q over (k, v): (y, lse), in the dtype of q; lse is float32 for bfloat16."""
    return attention_rows(q, k, v, mask, is_causal, scale, 0)


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
    return attention_backward_rows(g, q, k, v, y, lse, mask, is_causal, scale, 0)


def attention_rows(
    q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float, first: int
) -> tuple[Array, Array]:
    """`attention` of some consecutive queries, the first of which is number `first`."""
    np, dtype = xp(q), q.dtype
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    s = _scores(q, k, mask, is_causal, scale, first)
    peak = s.max(-1) if s.shape[-1] else np.full(s.shape[:-1], -math.inf)
    p = np.exp(s - np.where(np.isneginf(peak), 0, peak)[..., None])
    total = p.sum(-1)
    with numpy.errstate(divide="ignore"):
        lse = peak + np.log(total)
    y = (p @ v) / np.where(total == 0, 1, total)[..., None]
    return y.astype(dtype), lse.astype(arithmetic(dtype))


def attention_backward_rows(
    g: Array,
    q: Array,
    k: Array,
    v: Array,
    y: Array,
    lse: Array,
    mask: Array | None,
    is_causal: bool,
    scale: float,
    first: int,
) -> tuple[Array, Array, Array]:
    """What some consecutive queries, the first of which is number `first`, contribute to the gradients."""
    np, dtype = xp(g), g.dtype
    g, q, k, v, y, lse = (x.astype(np.float64) for x in (g, q, k, v, y, lse))
    s = _scores(q, k, mask, is_causal, scale, first)
    p = np.exp(s - np.where(np.isneginf(lse), math.inf, lse)[..., None])
    dv = _transpose(p) @ g
    ds = p * (g @ _transpose(v) - (g * y).sum(-1)[..., None])
    dq, dk = scale * (ds @ k), scale * (_transpose(ds) @ q)
    return dq.astype(dtype), dk.astype(dtype), dv.astype(dtype)


def _transpose(x: Array) -> Array:
    return x.swapaxes(-1, -2)


def _scores(q: Array, k: Array, mask: Array | None, is_causal: bool, scale: float, first: int) -> Array:
    np = xp(q)
    s = scale * (q @ _transpose(k))
    if mask is not None:
        s = np.where(mask, s, -math.inf) if mask.dtype == bool else s + mask
    if is_causal:
        query, key = first + np.arange(q.shape[-2])[:, None], np.arange(k.shape[-2])
        s = np.where(key <= query, s, -math.inf)
    return s
