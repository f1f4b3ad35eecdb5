"""`Conv2d` and `ConvTranspose2d`. Held by tinygen.checks.engine (38) and tests/pytorch/."""

from tinygen.nn import functional as F
from tinygen.nn import init
from tinygen.nn.linear import fan_in_initialise
from tinygen.nn.module import Module, options
from tinygen.nn.parameter import Parameter
from tinygen.ops.convolution import Pair, pair
from tinygen.ops.creation import empty
from tinygen.random import Generator
from tinygen.tensor import DTypeLike, Tensor


class _Convolution(Module):
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair,
        padding: int | Pair,
        dilation: int | Pair,
        groups: int,
    ):
        name = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair("kernel_size", kernel_size, 1), pair("stride", stride, 1)
        self.padding, self.dilation = pair("padding", padding, 0), pair("dilation", dilation, 1)

    def extra_repr(self) -> str:
        sizes = f"{self.in_channels}, {self.out_channels}, "
        return sizes + options(
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            bias=self.bias is not None,
        )


class Conv2d(_Convolution):
    """Cross-correlation of images (N, in_channels, H, W) with `out_channels` filters; see `F.conv2d`.

    Parameters: weight (out_channels, in_channels / groups, KH, KW) and bias (out_channels,), all uniform within
    1 / sqrt(fan_in), fan_in = in_channels / groups KH KW.

    Args:
        kernel_size, stride, padding, dilation: an int or (vertical, horizontal).
        groups: blocks of channels that do not see each other.
        rng: where the initial weights come from; None: seeded by the operating system.

    Raises:
        ValueError: groups that do not divide the channels, or sizes out of range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: Generator | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.weight = Parameter(empty(out_channels, in_channels // groups, *self.kernel_size, dtype=dtype))
        self.bias = Parameter(empty(out_channels, dtype=dtype)) if bias else None
        fan_in_initialise(self.weight, self.bias, init.generator(rng))

    def forward(
        self, x: Tensor, negative_slope: float = 1.0, doubled: bool = False, shift: Tensor | None = None
    ) -> Tensor:
        """The convolution of x or, if `doubled`, of x doubled in height and width by nearest neighbour; with a
        `negative_slope` below 1, leaky_relu of it in the same kernel.

        Args:
            shift: (N, out_channels): what is added to the bias, image by image.

        Raises:
            ValueError: `doubled`, and the layer would not keep the size of its images.
        """
        bias: Tensor | None = self.bias
        if shift is not None:
            bias = shift if bias is None else shift + bias
        if doubled:
            self._check_doubled()
            return F.conv2d_doubled(x, self.filters(), bias, negative_slope)
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        return F.conv2d(x, self.filters(), bias, *geometry, negative_slope)

    def filters(self) -> Tensor:
        """What x is convolved with: the weight, unless a subclass has it otherwise."""
        return self.weight

    def _check_doubled(self) -> None:
        same = tuple(k // 2 for k in self.kernel_size)
        if (self.stride, self.dilation, self.groups) != ((1, 1), (1, 1), 1) or self.padding != same:
            raise ValueError(
                f"Conv2d: images are doubled for stride 1, dilation 1, groups 1, padding {same}, half of the kernel; "
                f"found stride {self.stride}, dilation {self.dilation}, groups {self.groups}, padding {self.padding}"
            )


class ConvTranspose2d(_Convolution):
    """The adjoint of a convolution from `out_channels` to `in_channels`; see `F.conv_transpose2d`.

    Parameters: weight (in_channels, out_channels / groups, KH, KW) and bias (out_channels,), all uniform within
    1 / sqrt(out_channels / groups KH KW), which is what PyTorch takes for the fan in.

    Args:
        kernel_size, stride, padding, output_padding, dilation: an int or (vertical, horizontal).
        groups: blocks of channels that do not see each other.
        rng: where the initial weights come from; None: seeded by the operating system.

    Raises:
        ValueError: groups that do not divide the channels, or sizes out of range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Pair = 1,
        *,
        rng: Generator | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.output_padding = pair("output_padding", output_padding, 0)
        self.weight = Parameter(empty(in_channels, out_channels // groups, *self.kernel_size, dtype=dtype))
        self.bias = Parameter(empty(out_channels, dtype=dtype)) if bias else None
        fan_in_initialise(self.weight, self.bias, init.generator(rng))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )
