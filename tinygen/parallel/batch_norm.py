"""Batch normalisation by the statistics of all ranks' rows together.

Two means over ranks forward, and by their adjoints two backward. In operations throughout, so differentiable to any
order; one process has the fused kernel of `tinygen.ops.normalisation` instead.
Held by tests/parallel/test_shared_step.py: values, running statistics and gradients are those of the whole batch.
"""

import math

from tinygen.autodiff import guard
from tinygen.autodiff.mixed_precision import as_dtype
from tinygen.ops.elementwise import sqrt, square
from tinygen.parallel.step import mean_over_ranks, share
from tinygen.tensor import Tensor


def batch_norm_of_all(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
) -> Tensor:
    """`batch_norm` in training of x (n, C, ...), a rank's rows, by the mean and biased variance over all ranks' rows.

    The running statistics, where given, move in place as in one process.
    """
    now = share()
    assert now is not None
    axes = (0, *range(2, x.ndim))
    mean = mean_over_ranks(x.mean(axes, keepdims=True))
    centred = x - mean
    variance = mean_over_ranks(square(centred).mean(axes, keepdims=True))
    if running_mean is not None and running_var is not None:
        n = now.ranks.size * math.prod(x.shape) // x.shape[1]
        _move(running_mean, mean, momentum)
        _move(running_var, variance * (n / max(n - 1, 1)), momentum)
    scale = 1.0 / sqrt(variance + eps)
    shape = (1, x.shape[1], *(1,) * (x.ndim - 2))
    y = centred * (scale if weight is None else scale * weight.reshape(shape))
    return as_dtype(y if bias is None else y + bias.reshape(shape), x.dtype)


def _move(running: Tensor, target: Tensor, momentum: float) -> None:
    running._data += momentum * (target._data.reshape(running.shape) - running._data)
    guard.written(running._data)
