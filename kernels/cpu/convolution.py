"""Convolution and its adjoints on the CPU: which algorithm serves which shape. Signatures as in the definitions.

float32 goes to matrix products over zero-bordered image buffers (convolution_direct.py); float64 to the definitions:
there exactness counts, not speed. Results are NHWC in memory, seen as (N, C, H, W), and an array that already is NHWC
in memory is read in place. Held by tests/kernels/test_convolution.py: equal to the definitions on every path.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu import convolution_columns as columns
from tinygen.kernels.cpu import convolution_direct as direct
from tinygen.kernels.cpu import convolution_winograd as winograd
from tinygen.kernels.cpu.simd import LANES
from tinygen.kernels.definitions import convolution as definition
from tinygen.kernels.definitions.convolution import Pair

Array = NDArray[Any]


def _nhwc(x: Array) -> NDArray[np.float32]:
    """The image (N, C, H, W) as a contiguous float32 (N, H, W, C), copied only if it is not so in memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1), dtype=np.float32)


def _swappable(image: Pair, size: Pair, kernel: Pair, geometry: tuple[Pair, Pair, Pair], groups: int) -> bool:
    """Whether image and output can change places in a weight gradient."""
    stride, padding, dilation = geometry
    whole = size == definition.output_size(image, kernel, *geometry)
    return (
        groups == 1
        and stride == (1, 1)
        and whole
        and all(p <= d * (k - 1) for p, d, k in zip(padding, dilation, kernel))
    )


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Image x (N, C, H, W), weight w (K, C/groups, KH, KW), bias (K,) -> (N, K, OH, OW)."""
    bias_shape = None if bias is None else bias.shape
    geometry = (stride, padding, dilation)
    size = definition.check(x.shape, w.shape, None, bias_shape, w.shape[0], groups, geometry)
    if x.dtype != np.float32 or x.size == 0 or w.size == 0:
        return definition.conv2d(x, w, bias, stride, padding, dilation, groups)
    n, c, *image = x.shape
    k = w.shape[0]
    h, v = (direct.forward_axis(image[a], w.shape[2 + a], stride[a], padding[a], dilation[a], size[a]) for a in (0, 1))
    if winograd.suits(c, k, w.shape[2:], stride, dilation, groups):
        w = np.ascontiguousarray(w, dtype=np.float32)
        return winograd.convolve(_nhwc(x), w, bias, (n, *size, k), h, v, False).transpose(0, 3, 1, 2)
    if groups == 1 and columns.suits(n, (*image, c), (*size, k), w.shape[2:], False):
        y = columns.convolve(_nhwc(x), w.transpose(2, 3, 1, 0), bias, (n, *size, k), *geometry, False)
        return y.transpose(0, 3, 1, 2)
    plan = direct.plan((*image, c), (*size, k), groups, h, v, n)
    weight = w.reshape(groups, k // groups, *w.shape[1:]).transpose(0, 3, 4, 2, 1)
    return direct.gather(_nhwc(x), weight, bias, plan, (n, *size, k)).transpose(0, 3, 1, 2)


def conv2d_input_grad(
    g: Array,
    w: Array,
    bias: Array | None,
    input_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Adjoint of `conv2d` in x, plus bias: g (N, K, OH, OW), w (K, C/groups, KH, KW) -> (N, C, H, W)."""
    n, k = g.shape[0], g.shape[1]
    c = w.shape[1] * groups
    bias_shape = None if bias is None else bias.shape
    geometry = (stride, padding, dilation)
    size = definition.check((n, c, *input_size), w.shape, g.shape, bias_shape, c, groups, geometry)
    if g.dtype != np.float32 or g.size == 0 or w.size == 0:
        return definition.conv2d_input_grad(g, w, bias, input_size, stride, padding, dilation, groups)
    h, v = (
        direct.adjoint_axis(input_size[a], w.shape[2 + a], stride[a], padding[a], dilation[a], size[a]) for a in (0, 1)
    )
    if winograd.suits(k, c, w.shape[2:], stride, dilation, groups):
        w = np.ascontiguousarray(w, dtype=np.float32)
        return winograd.convolve(_nhwc(g), w, bias, (n, *input_size, c), h, v, True).transpose(0, 3, 1, 2)
    if groups == 1 and columns.suits(n, (*size, k), (*input_size, c), w.shape[2:], True):
        y = columns.convolve(_nhwc(g), w.transpose(2, 3, 0, 1), bias, (n, *input_size, c), *geometry, True)
        return y.transpose(0, 3, 1, 2)
    plan = direct.plan((*size, k), (*input_size, c), groups, h, v, n)
    weight = w.reshape(groups, k // groups, *w.shape[1:]).transpose(0, 3, 4, 1, 2)
    return direct.gather(_nhwc(g), weight, bias, plan, (n, *input_size, c)).transpose(0, 3, 1, 2)


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
    c, k = x.shape[1], g.shape[1]
    geometry = (stride, padding, dilation)
    shape = (k, c // groups, *kernel_size)
    size = definition.check(x.shape, shape, g.shape, None, k, groups, geometry)
    if x.dtype != np.float32 or x.size == 0 or g.size == 0:
        return definition.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups)
    h, v = (
        direct.forward_axis(x.shape[2 + a], kernel_size[a], stride[a], padding[a], dilation[a], size[a]) for a in (0, 1)
    )
    if winograd.suits(c, k, kernel_size, stride, dilation, groups):
        return winograd.weight_grad(_nhwc(x), _nhwc(g), kernel_size[0], h, v)
    if k < c and k < LANES and _swappable(x.shape[2:], size, kernel_size, geometry, groups):
        # The same sum read the other way: g is the image, x the output, and the kernel is turned round.
        h, v = (
            direct.forward_axis(
                size[a], kernel_size[a], 1, dilation[a] * (kernel_size[a] - 1) - padding[a], dilation[a], x.shape[2 + a]
            )
            for a in (0, 1)
        )
        w = direct.weight_grad(_nhwc(g), _nhwc(x), h, v, 1)[0, ::-1, ::-1]
        return np.ascontiguousarray(w.transpose(2, 3, 0, 1))
    w = direct.weight_grad(_nhwc(x), _nhwc(g), h, v, groups)
    return np.ascontiguousarray(w.transpose(0, 4, 3, 1, 2)).reshape(shape)
