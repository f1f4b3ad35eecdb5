"""Layers without parameters that change the shape: pooling, upsampling, flattening."""

from tinygen.nn import functional as F
from tinygen.nn.module import Module, options
from tinygen.ops.convolution import Pair
from tinygen.tensor import Tensor


class MaxPool2d(Module):
    """The maximum of every window of images (N, C, H, W); see `F.max_pool2d`."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
    ):
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        return options(kernel_size=self.kernel_size, stride=self.stride, padding=self.padding, dilation=self.dilation)


class AvgPool2d(Module):
    """The mean of every window of images (N, C, H, W); see `F.avg_pool2d`."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0):
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return options(kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)


class Upsample(Module):
    """Images (N, C, H, W) resized; see `F.interpolate`."""

    def __init__(
        self,
        size: int | Pair | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ):
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        given = {"scale_factor": self.scale_factor} if self.size is None else {"size": self.size}
        return options(**given, mode=self.mode)


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return options(start_dim=self.start_dim, end_dim=self.end_dim)
