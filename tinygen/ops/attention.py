"""Scaled dot-product attention (Vaswani et al. 2017, eq. 1) without the matrix of scores.

The kernel keeps only the log of each row's normaliser (Dao et al. 2022, "FlashAttention"), from which its backward
recomputes the weights. A gradient of a gradient goes through `attention_composed`, the same formula in operations.
"""

import math
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.autodiff.mixed_precision import operands
from tinygen.autodiff.primitive import Kept, either, joint, operation
from tinygen.autodiff.transforms import vjp
from tinygen.kernels.array_module import xp
from tinygen.ops.elementwise import where
from tinygen.ops.linalg import floating, matmul
from tinygen.ops.manipulation import as_tensor, matrix_transpose
from tinygen.ops.softmax import softmax
from tinygen.tensor import ArrayLike, Tensor


def attention_composed(q: Tensor, k: Tensor, v: Tensor, mask: Any, is_causal: bool, scale: float) -> Tensor:
    """softmax(scale q k^T + mask) v, with the matrix of scores; a row with every key masked gives 0."""
    scores = matmul(q, matrix_transpose(k)) * scale
    if is_causal:
        scores = where(xp(q._data).tri(*scores.shape[-2:], dtype=bool), scores, -math.inf)
    if mask is not None:
        mask = as_tensor(mask)
        scores = where(mask, scores, -math.inf) if mask.dtype.kind == "b" else scores + mask
    empty = (scores.detach() == -math.inf).all(axis=-1, keepdims=True)
    weights = where(empty, 0.0, softmax(where(empty, 0.0, scores), -1))
    return matmul(weights, v)


def _vjp(
    g: Tensor, y: Tensor, q: Tensor, k: Tensor, v: Tensor, lse: Any, mask: Any, is_causal: bool, scale: float
) -> tuple[Tensor, ...]:
    return vjp(lambda q, k, v: attention_composed(q, k, v, mask, is_causal, scale), q, k, v)[1](g)


def _gradients(
    g: Any, y: Any, q: Any, k: Any, v: Any, lse: Any, mask: Any, is_causal: bool, scale: float
) -> tuple[Any, ...]:
    return kernels.attention_backward(g, q, k, v, y, lse, mask, is_causal, scale)  # type: ignore[attr-defined]


@operation(joint(either(_vjp, _gradients), "q", "k", "v"), name="attention")
def _attention(q: Any, k: Any, v: Any, mask: Any, is_causal: bool, scale: float) -> Any:
    y, lse = kernels.attention(q, k, v, mask, is_causal, scale)  # type: ignore[attr-defined]
    return Kept(y, lse=lse)


def scaled_dot_product_attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    attn_mask: ArrayLike | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(scale q k^T + mask) v, as PyTorch's function of this name.

    Args:
        q: queries (..., T, d).
        k: keys (..., S, d).
        v: values (..., S, e); the leading sizes of the three are equal.
        attn_mask: broadcasts to (..., T, S); boolean (True: may attend) or added to the scores. A row with
            every key masked gives 0.
        is_causal: query i sees keys 0 to i.
        scale: 1 / sqrt(d) by default.

    Returns:
        (..., T, e).

    Raises:
        ValueError: shapes that do not fit.
        TypeError: dtypes that differ.
    """
    q, k, v = operands("scaled_dot_product_attention", as_tensor(q), as_tensor(k), as_tensor(v))
    floating("scaled_dot_product_attention", q._data)
    of_q, of_k, of_v = q._data.shape, k._data.shape, v._data.shape
    fits = len(of_q) == len(of_k) > 1 and of_q[-1] == of_k[-1]
    if not fits or of_k[:-1] != of_v[:-1] or of_q[:-2] != of_k[:-2]:
        raise ValueError(
            f"scaled_dot_product_attention: q {of_q}, k {of_k} and v {of_v} do not fit: "
            "(..., T, d), (..., S, d) and (..., S, e) with equal leading sizes are needed"
        )
    scale = 1.0 / math.sqrt(of_q[-1]) if scale is None else float(scale)
    mask = None if attn_mask is None else as_tensor(attn_mask)
    if mask is not None:
        if mask.dtype.kind in "iu":
            raise TypeError(
                "scaled_dot_product_attention: a mask is boolean (True: may attend) or floating (added to the scores), "
                f"not {mask.dtype}"
            )
        whole = (*of_q[:-1], of_k[-2])
        try:
            fits = np.broadcast_shapes(mask.shape, whole) == whole
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"scaled_dot_product_attention: a mask of shape {mask.shape} does not broadcast to {whole}"
            )
        if mask.requires_grad:
            return attention_composed(q, k, v, mask, is_causal, scale)
    return _attention(q, k, v, mask, bool(is_causal), scale)
