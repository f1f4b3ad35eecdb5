"""Softmax, log-softmax and cross-entropy with their gradients: the definitions, in plain NumPy.

    softmax(x)_i = exp(x_i - m) / sum_j exp(x_j - m),   m = max_j x_j;   log-softmax is its logarithm,
    cross-entropy(x, t) = lse(x) - x_t,   lse(x) = m + log sum_j exp(x_j - m)        (nats)

The shift by m changes nothing and keeps exp below overflow. An entry of -inf has weight 0; a row of -inf
alone, or one that holds NaN or +inf, gives NaN, as in PyTorch. Everything is computed in float64 and rounded
once. Held by tests/kernels/test_softmax.py: rows sum to 1, invariance under a shift, differences in float64.
"""

import numpy as np

from ..array_module import arithmetic
from ..capture import capturing

Array = np.ndarray


def _shifted(x: Array, axis: int) -> tuple[Array, Array, Array]:
    """x - m, m, and log sum exp(x - m), for m the greatest along `axis`, which stays as a one."""
    m = x.max(axis, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):  # -inf - -inf is NaN, and the whole row with it
        return x - m, m, np.log(np.exp(x - m).sum(axis, keepdims=True))


def softmax(x: Array, axis: int) -> Array:
    """exp(x) normalised to sum 1 along `axis`; same shape as x."""
    shifted, _, log_sum = _shifted(x.astype(np.float64), axis)
    return np.exp(shifted - log_sum).astype(x.dtype)


def softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of softmax at its output y for the cotangent g: y (g - sum g y); dtype of g."""
    wide, y = g.astype(np.float64), y.astype(np.float64)
    return (y * (wide - (wide * y).sum(axis, keepdims=True))).astype(g.dtype)


def log_softmax(x: Array, axis: int) -> Array:
    """x - log sum exp(x) along `axis`; same shape as x."""
    shifted, _, log_sum = _shifted(x.astype(np.float64), axis)
    return (shifted - log_sum).astype(x.dtype)


def log_softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of log_softmax at its output y for the cotangent g: g - exp(y) sum g; dtype of g."""
    wide = g.astype(np.float64)
    return (wide - np.exp(y.astype(np.float64)) * wide.sum(axis, keepdims=True)).astype(g.dtype)


def check_targets(logits: Array, target: Array) -> None:
    """ValueError unless logits (N, C) and target (N,) fit and 0 <= target < C; TypeError unless integers."""
    if logits.ndim != 2 or target.shape != logits.shape[:1]:
        raise ValueError(
            f"cross_entropy: logits must be (N, C) and target (N,), found {logits.shape} and {target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: target must hold integer classes, found dtype {target.dtype}")
    if capturing() or not target.size:
        return
    least, greatest = int(target.min()), int(target.max())
    if least < 0 or greatest >= logits.shape[1]:
        wrong = least if least < 0 else greatest
        raise ValueError(f"cross_entropy: class {wrong} is outside 0 to {logits.shape[1] - 1}")


def cross_entropy(logits: Array, target: Array, share: float | None = None) -> tuple[Array, Array]:
    """-log softmax(logits)[target] of every row, in nats: (loss (N,), log-sum-exp (N,)); or with a `share`, as a loss
    that many times the sum of these, ().

    logits (N, C), target (N,) integers in [0, C): ValueError names one outside.
    """
    check_targets(logits, target)
    shifted, m, log_sum = _shifted(logits.astype(np.float64), 1)
    loss = log_sum[:, 0] - shifted[np.arange(len(target)), target]
    dtype = arithmetic(logits.dtype)
    loss = loss if share is None else loss.sum() * share
    return loss.astype(dtype), (m + log_sum)[:, 0].astype(dtype)


def cross_entropy_backward(g: Array, logits: Array, target: Array, lse: Array) -> Array:
    """Gradient (N, C) of cross_entropy for the cotangent g (N,): g (softmax(logits) - onehot(target))."""
    check_targets(logits, target)
    with np.errstate(invalid="ignore"):
        d = np.exp(logits.astype(np.float64) - lse[:, None])
    d[np.arange(len(target)), target] -= 1
    return (d * g[:, None]).astype(logits.dtype)
