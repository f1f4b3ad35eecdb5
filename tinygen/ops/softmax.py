"""Softmax, its logarithm and the cross-entropy: kernels with fused gradients; higher orders from the formulas."""

import operator
from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import Kept, either, operation
from tinygen.kernels.array_module import xp
from tinygen.ops.elementwise import as_float, exp
from tinygen.ops.reduction import sum as sum_over
from tinygen.tensor import Tensor


@operation(
    x=either(
        lambda g, y, axis: y * (g - sum_over(g * y, axis, keepdims=True)),
        lambda g, y, axis: kernels.softmax_backward(g, y, axis),  # type: ignore[attr-defined]
    )
)
def softmax(x: Any, axis: int = -1) -> Any:
    """e^x over its sum along `axis`; a row of -inf alone gives NaN."""
    return kernels.softmax(as_float(x), operator.index(axis))  # type: ignore[attr-defined]


@operation(
    x=either(
        lambda g, y, axis: g - exp(y) * sum_over(g, axis, keepdims=True),
        lambda g, y, axis: kernels.log_softmax_backward(g, y, axis),  # type: ignore[attr-defined]
    )
)
def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of the softmax along `axis`, without overflow."""
    return kernels.log_softmax(as_float(x), operator.index(axis))  # type: ignore[attr-defined]


def _cross_entropy_formula(g: Tensor, logits: Tensor, target: Any, share: float | None, lse: Any) -> Tensor:
    labels = target._data if isinstance(target, Tensor) else target
    chosen = xp(lse).eye(logits.shape[1], dtype=logits.dtype)[labels]
    g = g if share is None else g * share
    return g.reshape(-1, 1) * (softmax(logits, 1) - Tensor(chosen))


def _cross_entropy_gradient(g: Any, logits: Any, target: Any, share: float | None, lse: Any) -> Any:
    if share is not None:
        of_row = xp(lse).empty_like(lse)
        of_row[...] = g * share
        g = of_row
    return kernels.cross_entropy_backward(g, logits, target, lse)  # type: ignore[attr-defined]


@operation(logits=either(_cross_entropy_formula, _cross_entropy_gradient), name="cross_entropy")
def cross_entropy_rows(logits: Any, target: Any, share: float | None = None) -> Any:
    """-log softmax(logits)[target] for each row of logits (N, C) with integer targets (N,); or `share` times the sum
    of these, ()."""
    loss, lse = kernels.cross_entropy(logits, target, share)  # type: ignore[attr-defined]
    return Kept(loss, lse=lse)
