"""Normalisation with PyTorch's names and argument order, on the fused operations of `tinygen.ops.normalisation`.

Held by tinygen.checks.engine (41), tests/nn/test_normalisation_layers.py and tests/pytorch/.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygen.autodiff import guard
from tinygen.kernels.array_module import arithmetic
from tinygen.ops import normalisation as ops
from tinygen.ops.elementwise import rectified
from tinygen.ops.linalg import floating, same_dtype
from tinygen.ops.manipulation import as_tensor
from tinygen.parallel import average, batch_norm_of_all, share
from tinygen.tensor import ArrayLike, Tensor

Optional = ArrayLike | None


def _tensor(x: Optional) -> Tensor | None:
    return x if x is None or isinstance(x, Tensor) else as_tensor(x)


def _per_channel(who: str, x: Tensor, *parameters: Tensor | None) -> None:
    """Whether the running mean and variance, weight and bias, those that are there, fit x (N, C, ...).

    Raises:
        ValueError: they are not (C,).
        TypeError: dtypes that differ, or are not floating.
    """
    array = x._data
    dtype, shape, channels = array.dtype, array.shape, array.shape[1:2]
    for p in parameters:
        if p is not None and (p._data.shape != channels or p._data.dtype is not dtype):
            break
    else:
        if dtype.kind == "f" and channels:  # nearly always
            return
    if not channels:
        raise ValueError(f"{who}: x must be (N, C, ...), found shape {shape}")
    for name, p in zip(("running_mean", "running_var", "weight", "bias"), parameters):
        if p is not None and p.shape != channels:
            raise ValueError(f"{who}: {name} has shape {p.shape}, x of shape {shape} needs {channels}")
    floating(who, x)
    same_dtype(who, x, *parameters)


def batch_norm(
    x: ArrayLike,
    running_mean: Optional,
    running_var: Optional,
    weight: Optional = None,
    bias: Optional = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    negative_slope: float = 1.0,
) -> Tensor:
    """Batch normalisation of x (N, C, ...) (Ioffe and Szegedy 2015, algorithm 1).

    In training by the batch's own mean and biased variance, and the running statistics, tensors or arrays (C,)
    where given, move in place by `momentum` towards the mean and the unbiased variance; else by the running ones.
    In a step that ranks share (`tinygen.parallel`) the batch is that of all ranks.

    Args:
        negative_slope: what negative results are multiplied by, from 0 to 1, in the same kernel: 0 gives relu of the
            normalisation, .2 leaky_relu(..., .2) of it, 1 the normalisation itself.

    Raises:
        ValueError: shapes that do not fit, one value per channel in training, one of the running statistics without
            the other, neither out of training, a slope that is not from 0 to 1.
        TypeError: dtypes that differ.
    """
    x, mean, var = as_tensor(x), _tensor(running_mean), _tensor(running_var)
    weight, bias = _tensor(weight), _tensor(bias)
    if not 0 <= negative_slope <= 1:
        raise ValueError(f"batch_norm: negative_slope is from 0 to 1, not {negative_slope}")
    if (mean is None) != (var is None):
        alone = "running_mean" if var is None else "running_var"
        raise ValueError(f"batch_norm: running_mean and running_var come together, found {alone} alone")
    _per_channel("batch_norm", x, mean, var, weight, bias)
    if training and share() is not None:
        return rectified(batch_norm_of_all(x, weight, bias, eps, mean, var, momentum), negative_slope)
    if training and x.size == x.shape[1]:
        raise ValueError(f"batch_norm: more than one value per channel is needed in training, found shape {x.shape}")
    running = None if mean is None or var is None else (mean._data, var._data, momentum)
    if not training and running is None:
        raise ValueError("batch_norm: out of training it needs running_mean and running_var")
    return ops.batch_norm(x, weight, bias, eps, running, float(negative_slope), training)


def group_norm(
    x: ArrayLike,
    num_groups: int,
    weight: Optional = None,
    bias: Optional = None,
    eps: float = 1e-5,
    *,
    silu: bool = False,
) -> Tensor:
    """Normalisation of x (N, C, ...) over each group of C / num_groups channels (Wu and He 2018).

    Args:
        weight, bias: (C,), or None.
        silu: SiLU of the result, in the same kernel.

    Raises:
        ValueError: shapes that do not fit, or groups that do not divide the channels.
        TypeError: dtypes that differ.
    """
    return ops.group_norm(as_tensor(x), weight, bias, int(num_groups), eps, silu)


def instance_norm(
    x: ArrayLike,
    running_mean: Optional = None,
    running_var: Optional = None,
    weight: Optional = None,
    bias: Optional = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalisation of each channel of each example of x (N, C, ...) alone (Ulyanov et al. 2016).

    With `use_input_stats` the running statistics, where given, move in place towards the examples' mean ones;
    without, they are what x is normalised by.

    Raises:
        ValueError: shapes that do not fit, or one value per channel.
        TypeError: dtypes that differ.
    """
    x, weight, bias = as_tensor(x), _tensor(weight), _tensor(bias)
    mean, var = _tensor(running_mean), _tensor(running_var)
    _per_channel("instance_norm", x, mean, var, weight, bias)
    if not use_input_stats:
        if mean is None or var is None:
            raise ValueError("instance_norm: use_input_stats=False needs running_mean and running_var")
        return ops.batch_norm(x, weight, bias, eps, (mean._data, var._data, momentum), 1.0, False)
    n = math.prod(x.shape[2:])
    if n == 1:
        raise ValueError(f"instance_norm: more than one value per channel is needed, found shape {x.shape}")
    if mean is not None and var is not None:
        axes, values = tuple(range(2, x.ndim)), x._data.astype(mean.dtype, copy=False)
        _move(mean, average(values.mean(axis=axes).mean(axis=0)), momentum)
        _move(var, average(values.var(axis=axes).mean(axis=0)) * (n / (n - 1)), momentum)
    return ops.group_norm(x, weight, bias, x.shape[1], eps, False)


def _move(running: Tensor, target: Any, momentum: float) -> None:
    running._data += momentum * (target - running._data)
    guard.written(running._data)


def _trailing(who: str, x: Tensor, normalized_shape: int | Sequence[int]) -> int:
    """How many last axes are normalised."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ValueError(f"{who}: normalized_shape={shape} must be the last sizes of x, found {x.shape}")
    return len(shape)


def layer_norm(
    x: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: Optional = None,
    bias: Optional = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalisation over the last axes, whose sizes are `normalized_shape` (Ba et al. 2016).

    Raises:
        ValueError: shapes that do not fit.
        TypeError: dtypes that differ.
    """
    x = as_tensor(x)
    return ops.layer_norm(x, weight, bias, _trailing("layer_norm", x, normalized_shape), eps)


def rms_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: Optional = None, eps: float | None = None
) -> Tensor:
    """x over its root mean square along the last axes, whose sizes are `normalized_shape` (Zhang and Sennrich 2019).

    Args:
        eps: added to the mean square; by default the dtype's machine epsilon, as in PyTorch.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: dtypes that differ.
    """
    x = as_tensor(x)
    ndim = _trailing("rms_norm", x, normalized_shape)
    floating("rms_norm", x)
    return ops.rms_norm(x, weight, ndim, float(np.finfo(arithmetic(x.dtype)).eps) if eps is None else eps)
