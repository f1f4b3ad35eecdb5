"""Normalisation layers: batch, group, instance, layer, RMS. What they compute is in `F.batch_norm` and so on.

Weights start at 1, biases at 0, running means at 0, running variances at 1.
Held by tests/nn/test_normalisation_layers.py and tests/pytorch/.
"""

from collections.abc import Sequence

import numpy as np

from tinygen.nn import functional as F
from tinygen.nn.module import Module, options
from tinygen.nn.parameter import Parameter
from tinygen.ops.creation import ones, zeros
from tinygen.tensor import DTypeLike, Tensor


class _Running(Module):
    """Affine parameters and running statistics (C,) of batch and instance normalisation."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    dimensions: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        dtype: DTypeLike,
    ):
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(ones(num_features, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(num_features, dtype=dtype)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=np.int64) if tracked else None)

    def _share(self) -> float:
        """How far the running statistics move; momentum=None gives their plain average over all batches."""
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked._assign(self.num_batches_tracked._data + 1)
            if self.momentum is None:
                return 1.0 / int(self.num_batches_tracked)
        return self.momentum or 0.0

    def _check(self, x: Tensor) -> None:
        if x.ndim not in self.dimensions or x.shape[1] != self.num_features:
            shapes = " or ".join(["(N, C)", "(N, C, L)", "(N, C, H, W)"][n - 2] for n in self.dimensions)
            raise ValueError(f"{type(self).__name__}: x must be {shapes} with C={self.num_features}, found {x.shape}")

    def extra_repr(self) -> str:
        return f"{self.num_features}, " + options(
            eps=self.eps,
            momentum=self.momentum,
            affine=self.weight is not None,
            track_running_stats=self.running_mean is not None,
        )


class _BatchNorm(_Running):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Tensor, negative_slope: float = 1.0) -> Tensor:
        """The normalisation of x; with a `negative_slope` below 1, leaky_relu of it in the same kernel."""
        self._check(x)
        own = self.training or self.running_mean is None
        mean, var, share = self.running_mean, self.running_var, self._share()
        return F.batch_norm(x, mean, var, self.weight, self.bias, own, share, self.eps, negative_slope=negative_slope)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of x (N, num_features) or (N, num_features, L).

    Args:
        momentum: how far the running statistics move at each batch; None averages all batches.
        affine: whether there is a weight and a bias.
        track_running_stats: whether running statistics are kept, for use out of training.
    """

    dimensions = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images (N, num_features, H, W); arguments as `BatchNorm1d`."""

    dimensions = (4,)


class InstanceNorm2d(_Running):
    """Normalisation of each channel of each image (N, num_features, H, W) alone.

    Args:
        affine, track_running_stats: as `BatchNorm1d`, both False here.
    """

    dimensions = (4,)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        dtype: DTypeLike = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        own = self.training or self.running_mean is None
        return F.instance_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, own, self.momentum or 0.0, self.eps
        )


class GroupNorm(Module):
    """Normalisation of x (N, num_channels, ...) over each of `num_groups` groups of channels.

    Args:
        affine: whether there is a weight and a bias, (num_channels,).
        silu: SiLU of the result, in the same kernel.

    Raises:
        ValueError: groups that do not divide the channels.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        silu: bool = False,
        dtype: DTypeLike = None,
    ):
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps, self.silu = num_groups, num_channels, eps, silu
        self.weight = Parameter(ones(num_channels, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(num_channels, dtype=dtype)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps, silu=self.silu)

    def extra_repr(self) -> str:
        extra = ", silu=True" if self.silu else ""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.weight is not None}{extra}"


def _sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (int(normalized_shape),)  # type: ignore[arg-type]


class LayerNorm(Module):
    """Normalisation over the last axes, of sizes `normalized_shape`.

    Args:
        elementwise_affine: whether there is a weight, of the normalised shape.
        bias: whether there is a bias beside the weight.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = None,
    ):
        self.normalized_shape, self.eps = _sizes(normalized_shape), eps
        self.weight = Parameter(ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None
        self.bias = Parameter(zeros(self.normalized_shape, dtype=dtype)) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"


class RMSNorm(Module):
    """x over its root mean square along the last axes, of sizes `normalized_shape`.

    Args:
        eps: added to the mean square; the dtype's machine epsilon by default.
        elementwise_affine: whether there is a weight, of the normalised shape.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = None,
    ):
        self.normalized_shape, self.eps = _sizes(normalized_shape), eps
        self.weight = Parameter(ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"
