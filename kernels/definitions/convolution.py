"""Two-dimensional convolution (the field's word for cross-correlation) and its two adjoints, tap by tap.

    y[n, k, oh, ow] = bias[n, k] + sum_cij w[k, c, i, j] x[n, c, oh sh + i dh - ph, ow sw + j dw - pw]

with x zero outside its borders, a bias (N, K), or one (K,) for all images, stride (sh, sw), padding (ph, pw), dilation
(dh, dw). With `groups`, output channels of group g see input channels of group g only. Dumoulin and Visin, "A guide to
convolution arithmetic" (2016). For a fixed tap (i, j) this is a matrix product of w[:, :, i, j] with a strided view of
the padded input, and the two adjoints transpose that product. `conv2d_input_grad` is also the forward of the
transposed convolution.
Held by tests/kernels/test_convolution.py: naive loops, <g, conv(x, w)> = <x, input_grad> = <w, weight_grad>.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..array_module import rounded_once
from .rectifier import rectified

Array = NDArray[np.floating]
Pair = tuple[int, int]


def output_size(size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """(OH, OW) of a convolution over an image of `size` (H, W); ValueError if the kernel does not fit."""
    for name, pair, least in (("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)):
        if min(pair) < least:
            raise ValueError(f"convolution: {name} must be at least {least}, found {pair}")
    out = tuple((size[a] + 2 * padding[a] - dilation[a] * (kernel_size[a] - 1) - 1) // stride[a] + 1 for a in (0, 1))
    if min(out) < 1:
        raise ValueError(
            f"convolution: a {kernel_size} kernel with dilation {dilation} does not fit "
            f"an image of {size} with padding {padding}"
        )
    return out[0], out[1]


def check(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    g_shape: tuple[int, ...] | None,
    bias_shape: tuple[int, ...] | None,
    bias_channels: int,
    groups: int,
    geometry: tuple[Pair, Pair, Pair],
) -> Pair:
    """(OH, OW) if the shapes of image, weight, output (None: any) and bias belong together, or ValueError."""
    if len(x_shape) != 4 or len(w_shape) != 4:
        raise ValueError(f"convolution: image and weight must have 4 dimensions, found shapes {x_shape}, {w_shape}")
    channels, out_channels = x_shape[1], w_shape[0]
    if groups < 1 or channels != w_shape[1] * groups or out_channels % groups:
        raise ValueError(
            f"convolution: weight {w_shape} with {groups} groups needs {w_shape[1] * groups} input channels "
            f"and output channels divisible by {groups}, found {channels} and {out_channels}"
        )
    size = output_size((x_shape[2], x_shape[3]), (w_shape[2], w_shape[3]), *geometry)
    if g_shape is not None:
        least = (x_shape[0], out_channels, *size)
        if len(g_shape) != 4 or g_shape[:2] != least[:2] or g_shape[2] > size[0] or g_shape[3] > size[1]:
            raise ValueError(f"convolution: image {x_shape} gives an output {least}, found {g_shape}")
        size = (g_shape[2], g_shape[3])
    if bias_shape is not None and bias_shape not in ((bias_channels,), (x_shape[0], bias_channels)):
        raise ValueError(
            f"convolution: bias must have shape ({bias_channels},) or, one for each image, "
            f"({x_shape[0]}, {bias_channels}), found {bias_shape}"
        )
    return size


def _taps(kernel_size: Pair, size: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[int, int, tuple]]:
    """Every tap (i, j) with the index of the padded pixels it meets, one for each of `size` outputs."""
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            top, left = i * dilation[0], j * dilation[1]
            rows = slice(top, top + stride[0] * (size[0] - 1) + 1, stride[0])
            columns = slice(left, left + stride[1] * (size[1] - 1) + 1, stride[1])
            yield i, j, (..., rows, columns)


def _pad(x: Array, padding: Pair) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1])))


@rounded_once
def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    negative_slope: float = 1.0,
) -> Array:
    """Image x (N, C, H, W), weight w (K, C/groups, KH, KW), bias (K,) or (N, K) -> (N, K, OH, OW).

    What comes out negative is multiplied by `negative_slope`: 0 is a ReLU behind the convolution, 1 none.
    """
    bias_shape = None if bias is None else bias.shape
    size = check(x.shape, w.shape, None, bias_shape, w.shape[0], groups, (stride, padding, dilation))
    n, k = x.shape[0], w.shape[0]
    w = w.astype(x.dtype, copy=False).reshape(groups, k // groups, *w.shape[1:])
    y = np.zeros_like(x, shape=(n, groups, k // groups, size[0] * size[1]))
    padded = _pad(x, padding)
    for i, j, pixels in _taps(w.shape[-2:], size, stride, dilation):
        y += w[..., i, j] @ padded[pixels].reshape(n, groups, w.shape[2], size[0] * size[1])
    y = y.reshape(n, k, *size)
    y = y if bias is None else y + bias.astype(x.dtype, copy=False)[..., None, None]
    return rectified(y, negative_slope)


@rounded_once
def conv2d_input_grad(
    g: Array,
    w: Array,
    bias: Array | None,
    input_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    negative_slope: float = 1.0,
) -> Array:
    """Adjoint of `conv2d` in x, plus bias: g (N, K, OH, OW), w (K, C/groups, KH, KW) -> (N, C, H, W).

    `input_size` (H, W) is any size whose convolution gives at least (OH, OW); bias has shape (C,) or (N, C). What comes
    out negative is multiplied by `negative_slope`.
    """
    n, k = g.shape[0], w.shape[0]
    shape = (n, w.shape[1] * groups, *input_size)
    bias_shape = None if bias is None else bias.shape
    size = check(shape, w.shape, g.shape, bias_shape, shape[1], groups, (stride, padding, dilation))
    w = w.astype(g.dtype, copy=False).reshape(groups, k // groups, *w.shape[1:])
    g = g.reshape(n, groups, k // groups, size[0] * size[1])
    high, wide = input_size[0] + 2 * padding[0], input_size[1] + 2 * padding[1]
    padded = np.zeros_like(g, shape=(n, groups, w.shape[2], high, wide))
    for i, j, pixels in _taps(w.shape[-2:], size, stride, dilation):
        padded[pixels] += (w[..., i, j].swapaxes(-1, -2) @ g).reshape(n, groups, w.shape[2], *size)
    x = padded.reshape(n, shape[1], high, wide)
    x = x[:, :, padding[0] : padding[0] + input_size[0], padding[1] : padding[1] + input_size[1]]
    x = x.copy() if bias is None else x + bias.astype(g.dtype, copy=False)[..., None, None]
    return rectified(x, negative_slope)


@rounded_once
def conv2d_weight_grad(
    x: Array,
    g: Array,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Adjoint of `conv2d` in w: image x (N, C, H, W), output g (N, K, OH, OW) -> (K, C/groups, KH, KW)."""
    n, k, c = x.shape[0], g.shape[1], x.shape[1] // groups
    size = check(x.shape, (k, c, *kernel_size), g.shape, None, k, groups, (stride, padding, dilation))
    w = np.zeros_like(x, shape=(groups, k // groups, c, *kernel_size))
    g = g.astype(x.dtype, copy=False).reshape(n, groups, k // groups, size[0] * size[1])
    padded = _pad(x, padding)
    for i, j, pixels in _taps(kernel_size, size, stride, dilation):
        seen = padded[pixels].reshape(n, groups, c, size[0] * size[1])
        w[..., i, j] = (g @ seen.swapaxes(-1, -2)).sum(axis=0)
    return w.reshape(k, c, *kernel_size)
