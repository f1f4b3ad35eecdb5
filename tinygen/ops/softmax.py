"""Softmax, its logarithm and the cross-entropy: kernels with fused gradients; higher orders from the formulas."""

from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.autodiff.primitive import Kept, operation
from tinygen.autodiff.tape import mode
from tinygen.kernels.array_module import xp
from tinygen.ops.elementwise import exp
from tinygen.ops.reduction import sum as sum_over
from tinygen.tensor import Tensor


def _floating(x: Any) -> Any:
    return x if x.dtype.kind in "fV" else x.astype(np.float32)


def _softmax_vjp(g: Tensor, y: Tensor, axis: int) -> Tensor:
    if not mode.recording:
        return Tensor(kernels.softmax_backward(g._data, y._data, axis))  # type: ignore[attr-defined]
    return y * (g - sum_over(g * y, axis, keepdims=True))


@operation(x=_softmax_vjp)
def softmax(x: Any, axis: int = -1) -> Any:
    """e^x over its sum along `axis`; a row of -inf alone gives NaN."""
    return kernels.softmax(_floating(x), axis)  # type: ignore[attr-defined]


def _log_softmax_vjp(g: Tensor, y: Tensor, axis: int) -> Tensor:
    if not mode.recording:
        return Tensor(kernels.log_softmax_backward(g._data, y._data, axis))  # type: ignore[attr-defined]
    return g - exp(y) * sum_over(g, axis, keepdims=True)


@operation(x=_log_softmax_vjp)
def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of the softmax along `axis`, without overflow."""
    return kernels.log_softmax(_floating(x), axis)  # type: ignore[attr-defined]


def _cross_entropy_vjp(g: Tensor, logits: Tensor, target: Any, lse: Any) -> Tensor:
    labels = target._data if isinstance(target, Tensor) else target
    if not mode.recording:
        return Tensor(kernels.cross_entropy_backward(g._data, logits._data, labels, lse))  # type: ignore[attr-defined]
    chosen = xp(lse).eye(logits.shape[1], dtype=logits.dtype)[labels]
    return g.reshape(-1, 1) * (softmax(logits, 1) - Tensor(chosen))


@operation(logits=_cross_entropy_vjp, name="cross_entropy")
def cross_entropy_rows(logits: Any, target: Any) -> Any:
    """-log softmax(logits)[target] for each row of logits (N, C) with integer targets (N,)."""
    if logits.ndim != 2 or np.shape(target) != logits.shape[:1]:
        raise ValueError(f"logits (N, C) and targets (N,) are needed, found {logits.shape} and {np.shape(target)}")
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: class targets are integers, not {target.dtype}")
    loss, lse = kernels.cross_entropy(logits, target)  # type: ignore[attr-defined]
    return Kept(loss, lse=lse)
