"""Two-dimensional convolution as a closed family of three: each member's vjps are the other two.

For A_w x = conv2d(x, w): conv_transpose2d is A_w^T (CHECKS 38: <A_w x, g> = <x, A_w^T g>), and conv2d_weight is the
derivative of <A_w x, g> in w. Since the three are linear in each argument, every order of gradient is a convolution.
Images are (N, C, H, W) here; the kernels keep them as (N, H, W, C) in memory. How a 3x3 convolution goes on from here,
and why it is fast, is shown on the first page of the CPU's kernels, kernels/cpu/__init__.py.
"""

from functools import lru_cache
from typing import Any

from tinygen import kernels
from tinygen.autodiff.mixed_precision import operands
from tinygen.autodiff.primitive import either, operation
from tinygen.ops.elementwise import leaky_relu_gradient, relu_gradient, where
from tinygen.ops.manipulation import as_tensor
from tinygen.tensor import ArrayLike, Tensor

Pair = tuple[int, int]
Shape = tuple[int, ...]


def pair(name: str, value: Any, least: int) -> Pair:
    """`value` as (vertical, horizontal).

    Raises:
        ValueError: not one int or two, or below `least`.
    """
    if type(value) is int and value >= least:
        return value, value
    if type(value) is tuple and len(value) == 2 and type(value[0]) is type(value[1]) is int and min(value) >= least:
        return value  # as a layer has made it
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(v, int) or hasattr(v, "__index__") for v in both):
        raise ValueError(f"{name} is an int or a pair of ints, not {value!r}")
    if min(both) < least:
        raise ValueError(f"{name}={value!r} is too small: it must be at least {least}")
    return int(both[0]), int(both[1])


_SUMMED = {1: (0, 2, 3), 2: (2, 3)}  # for the gradient of a bias (K,) or (N, K)
_of_bias = either(
    lambda g, bias_shape: g.sum(_SUMMED[len(bias_shape)]),
    lambda g, bias_shape: kernels.reduce_sum(g, _SUMMED[len(bias_shape)]),  # type: ignore[attr-defined]
)


@operation(
    x=either(
        lambda g, w, x_shape, stride, padding, dilation, groups: _conv_transpose2d(
            g, w, None, x_shape[2:], stride, padding, dilation, groups
        )
    ),
    w=either(
        lambda g, x, w_shape, stride, padding, dilation, groups: _conv2d_weight(
            x, g, w_shape[2:], stride, padding, dilation, groups
        )
    ),
    bias=_of_bias,
    name="conv2d",
)
def _conv2d(
    x: Any, w: Any, bias: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int, negative_slope: float = 1.0
) -> Any:
    return kernels.conv2d(x, w, bias, stride, padding, dilation, groups, negative_slope)  # type: ignore[attr-defined]


def _rectified_vjp(g: Tensor, y: Tensor, negative_slope: float) -> Tensor:
    return where(y > 0, g, 0.0 if negative_slope == 0 else negative_slope * g)


def _rectified_gradient(g: Any, y: Any, negative_slope: float) -> Any:
    return relu_gradient(g, y) if negative_slope == 0 else leaky_relu_gradient(g, y, negative_slope)


@operation(x=either(_rectified_vjp, _rectified_gradient), name="rectified", overwrites=True)
def _rectified(x: Any, negative_slope: float) -> Any:
    """What a kernel has rectified already; its own signs say where. Here is only the gradient."""
    return x[...]


@operation(
    x=either(lambda g, w, stride, padding, dilation, groups: _conv2d(g, w, None, stride, padding, dilation, groups)),
    w=either(
        lambda g, x, w_shape, stride, padding, dilation, groups: _conv2d_weight(
            g, x, w_shape[2:], stride, padding, dilation, groups
        )
    ),
    bias=_of_bias,
    name="conv_transpose2d",
)
def _conv_transpose2d(
    x: Any,
    w: Any,
    bias: Any,
    size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    negative_slope: float = 1.0,
) -> Any:
    geometry = (stride, padding, dilation, groups)
    return kernels.conv2d_input_grad(x, w, bias, size, *geometry, negative_slope)  # type: ignore[attr-defined]


@operation(
    x=either(
        lambda g, v, x_shape, stride, padding, dilation, groups: _conv_transpose2d(
            v, g, None, x_shape[2:], stride, padding, dilation, groups
        )
    ),
    v=either(lambda g, x, stride, padding, dilation, groups: _conv2d(x, g, None, stride, padding, dilation, groups)),
    name="conv2d_weight",
)
def _conv2d_weight(x: Any, v: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Any:
    return kernels.conv2d_weight_grad(x, v, kernel, stride, padding, dilation, groups)  # type: ignore[attr-defined]


# What does not fit is found once for each combination of shapes.


def _check(who: str, x: Shape, w: Shape, bias: Shape | None, channels: int, out: int, groups: int) -> None:
    if groups < 1 or w[0] % groups:
        raise ValueError(f"{who}: groups={groups} must be at least 1 and divide the weight's first size {w[0]}")
    if x[1] != channels:
        raise ValueError(
            f"{who}: images of shape {x} have {x[1]} channels, the weight of shape {w} "
            f"with groups={groups} takes {channels}"
        )
    if bias is not None and bias not in ((out,), (x[0], out)):
        raise ValueError(
            f"{who}: bias has shape {bias}, {out} output channels need ({out},), or ({x[0]}, {out}) for {x[0]} images"
        )


def _check_images(who: str, x: Tensor, w: Tensor, negative_slope: float) -> None:
    if x.ndim != 4 or w.ndim != 4:
        raise ValueError(f"{who}: images (N, C, H, W) and a 4-D weight are needed, found {x.shape} and {w.shape}")
    if not 0 <= negative_slope <= 1:
        raise ValueError(f"{who}: negative_slope is from 0 to 1, not {negative_slope}")


@lru_cache(maxsize=1024)
def _check_conv2d(x: Shape, w: Shape, bias: Shape | None, padding: Pair, dilation: Pair, groups: int) -> None:
    _check("conv2d", x, w, bias, w[1] * groups, w[0], groups)
    for size, kernel, p, d in zip(x[2:], w[2:], padding, dilation):
        span = d * (kernel - 1) + 1
        if size + 2 * p < span:
            raise ValueError(
                f"conv2d: a filter that spans {span} does not fit an image of size {size} with padding {p}"
            )


@lru_cache(maxsize=1024)
def _transposed_size(
    x: Shape, w: Shape, bias: Shape | None, stride: Pair, padding: Pair, dilation: Pair, extra: Pair, groups: int
) -> Pair:
    """(OH, OW) of `conv_transpose2d`."""
    _check("conv_transpose2d", x, w, bias, w[0], w[1] * groups, groups)
    size = []
    for n, kernel, s, p, d, e in zip(x[2:], w[2:], stride, padding, dilation, extra):
        if e >= max(s, d):
            raise ValueError(f"conv_transpose2d: output_padding={e} must be below stride {s} or dilation {d}")
        size.append((n - 1) * s - 2 * p + d * (kernel - 1) + e + 1)
        if size[-1] < 1:
            raise ValueError(f"conv_transpose2d: the output would have size {size[-1]}; lower the padding {p}")
    return size[0], size[1]


def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    negative_slope: float = 1.0,
) -> Tensor:
    """Cross-correlation of images with a bank of filters, as PyTorch's conv2d.

    Args:
        x: images (N, C, H, W).
        w: filters (K, C / groups, KH, KW).
        bias: (K,); (N, K), one for each image; or None.
        stride, padding, dilation: an int or (vertical, horizontal).
        groups: blocks of channels that do not see each other; divides C and K.
        negative_slope: what negative results are multiplied by, from 0 to 1, in the same kernel: 0 gives
            relu(conv2d(...)), .2 leaky_relu(conv2d(...), .2), 1 the convolution itself.

    Returns:
        (N, K, OH, OW) with OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    Raises:
        ValueError: shapes that do not fit, or a stride or dilation below 1.
        TypeError: dtypes that differ.
    """
    x, w, b = as_tensor(x), as_tensor(w), None if bias is None else as_tensor(bias)
    s, p, d = pair("stride", stride, 1), pair("padding", padding, 0), pair("dilation", dilation, 1)
    _check_images("conv2d", x, w, negative_slope)
    _check_conv2d(x.shape, w.shape, None if b is None else b.shape, p, d, groups)
    y = _conv2d(*operands("conv2d", x, w, b), s, p, d, int(groups), float(negative_slope))
    return y if negative_slope == 1 else _rectified(y, float(negative_slope))


def conv_transpose2d(
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
    negative_slope: float = 1.0,
) -> Tensor:
    """The adjoint of `conv2d` in its images, as PyTorch's conv_transpose2d.

    Args:
        x: images (N, C, H, W).
        w: filters (C, K / groups, KH, KW).
        bias: (K,); (N, K), one for each image; or None.
        output_padding: rows and columns added at the far ends, below the stride or the dilation.
        negative_slope: as `conv2d`.

    Returns:
        (N, K, OH, OW) with OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1.

    Raises:
        ValueError: shapes that do not fit, or a stride or dilation below 1.
        TypeError: dtypes that differ.
    """
    x, w, b = as_tensor(x), as_tensor(w), None if bias is None else as_tensor(bias)
    s, p, d = pair("stride", stride, 1), pair("padding", padding, 0), pair("dilation", dilation, 1)
    extra = pair("output_padding", output_padding, 0)
    _check_images("conv_transpose2d", x, w, negative_slope)
    size = _transposed_size(x.shape, w.shape, None if b is None else b.shape, s, p, d, extra, groups)
    operated = operands("conv_transpose2d", x, w, b)
    y = _conv_transpose2d(*operated, size, s, p, d, int(groups), float(negative_slope))
    return y if negative_slope == 1 else _rectified(y, float(negative_slope))
