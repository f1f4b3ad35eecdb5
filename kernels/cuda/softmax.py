"""Softmax, log-softmax and cross-entropy on a CUDA device: see softmax.cu, and definitions/softmax.py for the formulas.

Another axis than the last in memory is brought there by a copy.
"""

from typing import Any

from ..definitions.softmax import check_targets
from .launch import arithmetic, ceil_div, cupy, launch
from .reduction import reduce_sum

Array = Any

_ROWS = 4  # rows to a block: one warp each


def _launch(name: str, dtype: Any, rows: int, columns: int, *arrays: Array) -> None:
    blocks = ceil_div(rows, _ROWS)
    launch(f"softmax/{name}", dtype, blocks, 32 * _ROWS, *arrays, rows, columns)


def _along(name: str, axis: int, *inputs: Array) -> Array:
    """The kernel applied to the rows that lie along `axis`."""
    device = cupy()
    last = [device.ascontiguousarray(device.moveaxis(x, axis, -1)) for x in inputs]
    y = device.empty(last[0].shape, last[0].dtype)
    columns = y.shape[-1]
    _launch(name, y.dtype, y.size // max(columns, 1), columns, *last, y)
    return device.moveaxis(y, -1, axis)


def softmax(x: Array, axis: int) -> Array:
    """exp(x) normalised to sum 1 along `axis`; same shape as x."""
    return _along("softmax_rows", axis, x)


def softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of softmax at its output y for the cotangent g."""
    return _along("softmax_backward_rows", axis, g, y)


def log_softmax(x: Array, axis: int) -> Array:
    """x - log sum exp(x) along `axis`; same shape as x."""
    return _along("log_softmax_rows", axis, x)


def log_softmax_backward(g: Array, y: Array, axis: int) -> Array:
    """Gradient of log_softmax at its output y for the cotangent g."""
    return _along("log_softmax_backward_rows", axis, g, y)


def cross_entropy(logits: Array, target: Array, share: float | None = None) -> tuple[Array, Array]:
    """-log softmax(logits)[target] of every row: (loss (N,), log-sum-exp (N,)); or with a `share`, as a loss that many
    times the sum of these, ().

    A target outside the classes raises ValueError, for which the host waits for the device.
    """
    check_targets(logits, target)
    device = cupy()
    loss, lse = (device.empty(target.shape, arithmetic(logits.dtype)) for _ in range(2))
    rows = device.ascontiguousarray(logits)
    _launch("cross_entropy_rows", logits.dtype, *logits.shape, rows, _indices(target), loss, lse)
    return loss if share is None else reduce_sum(loss, None, False) * share, lse


def cross_entropy_backward(g: Array, logits: Array, target: Array, lse: Array) -> Array:
    """Gradient (N, C) of cross_entropy for the cotangent g (N,)."""
    check_targets(logits, target)
    device = cupy()
    real, rows = arithmetic(logits.dtype), device.ascontiguousarray(logits)
    g, lse = (device.ascontiguousarray(a, dtype=real) for a in (g, lse))
    dx = device.empty(logits.shape, logits.dtype)
    _launch("cross_entropy_backward_rows", logits.dtype, *logits.shape, g, rows, _indices(target), lse, dx)
    return dx


def _indices(target: Array) -> Array:
    return cupy().ascontiguousarray(target, dtype="int64")
