"""Convolution and its adjoints on the CPU: which algorithm serves which shape. Signatures as in the definitions.

float32 goes to Winograd's filtering where it applies (convolution_winograd.py), to a narrow product where output
channels are few (convolution_columns.py), to lanes that are channels where groups are small (convolution_grouped.py),
else to implicit matrix products (convolution_direct.py). float64 goes to the definitions: there exactness counts, not
speed. Results are NHWC in memory, the channels of a pixel side by side, seen as (N, C, H, W); an array that is NHWC in
memory already is read in place. A NaN or infinity in an image reaches every output that sees it and, with Winograd, may
reach others in the same tiles of 4x4. Held by tests/kernels/test_convolution.py.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu import convolution_columns as columns
from tinygen.kernels.cpu import convolution_direct as direct
from tinygen.kernels.cpu import convolution_grouped as grouped
from tinygen.kernels.cpu import convolution_tiles as tiles
from tinygen.kernels.cpu import convolution_winograd as winograd
from tinygen.kernels.cpu.convolution_layout import adjoint_axis, forward_axis, nhwc
from tinygen.kernels.cpu.convolution_plan import Plan, Shape
from tinygen.kernels.cpu.simd import LANES
from tinygen.kernels.definitions import convolution as definition
from tinygen.kernels.definitions.convolution import Pair
from tinygen.kernels.definitions.rectifier import rectified

Array = NDArray[Any]
Geometry = tuple[Pair, Pair, Pair]  # stride, padding, dilation
_FLOAT = np.dtype(np.float32)


def _convolution(
    source: Shape,
    target: Shape,
    kernel: Pair,
    geometry: Geometry,
    groups: int,
    negative_slope: float,
    adjoint: bool,
    of_each: bool,
) -> Plan:
    """From an NHWC source to a target: a convolution or, if `adjoint`, an input gradient. With a bias `of_each` image,
    where the form knows none, what comes after it is left out too."""
    along = adjoint_axis if adjoint else forward_axis
    h, w = (along(*rest) for rest in zip(kernel, *geometry, target[1:3]))
    stride, _, dilation = geometry
    channels = (source[3], target[3])
    if tiles.suits(*channels, kernel, stride, dilation, groups) and tiles.pays(*channels, kernel, h, w):
        return winograd.plan(source, target, kernel, h, w, negative_slope, adjoint, of_each)
    negative_slope = 1.0 if of_each else negative_slope
    if groups == 1 and columns.suits(source, target, kernel[0] * kernel[1], h, w):
        return columns.plan(source, target, kernel, h, w, negative_slope, adjoint)
    form = grouped if groups > 1 and grouped.suits(*channels, groups) else direct
    return form.plan(source, target, kernel, groups, h, w, negative_slope, adjoint)


def _weight_gradient(
    source: Shape, target: Shape, kernel: Pair, geometry: Geometry, groups: int
) -> Callable[[Array, Array], Array]:
    """The function of (x, g), both NHWC."""
    h, w = (forward_axis(*rest) for rest in zip(kernel, *geometry, target[1:3]))
    stride, padding, dilation = geometry
    channels = (source[3], target[3])
    if tiles.suits(*channels, kernel, stride, dilation, groups) and tiles.pays(*channels, kernel, h, w):
        return winograd.weight_plan(source, target, kernel, h, w).run
    reach = tuple(d * (k - 1) for d, k in zip(dilation, kernel))
    whole = target[1:3] == definition.output_size((source[1], source[2]), kernel, *geometry)
    fits = stride == (1, 1) and groups == 1 and padding[0] <= reach[0] and padding[1] <= reach[1]
    if target[3] < min(LANES, source[3]) and whole and fits:
        # Few output channels: the same sum with g as the image, x as the output and the kernel turned round.
        padding = (reach[0] - padding[0], reach[1] - padding[1])
        swapped = _weight_gradient(target, source, kernel, (stride, padding, dilation), 1)
        return lambda x, g: np.ascontiguousarray(swapped(g, x).transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
    form = grouped if groups > 1 and grouped.suits(*channels, groups) else direct
    return form.weight_plan(source, target, kernel, groups, h, w).run


# What a call needs to know besides its numbers is found, and its shapes checked, once for each combination of them.


def _in_memory(shape: Shape) -> Shape:
    """(N, C, H, W) as (N, H, W, C)."""
    n, channels, height, width = shape
    return n, height, width, channels


@lru_cache(maxsize=512)
def _forward(
    x: Shape, w: Shape, bias: Shape | None, stride: Pair, padding: Pair, dilation: Pair, groups: int, slope: float
) -> Plan:
    geometry = (stride, padding, dilation)
    size = definition.check(x, w, None, bias, w[0], groups, geometry)
    of_each = bias is not None and len(bias) == 2
    return _convolution(_in_memory(x), (x[0], *size, w[0]), (w[2], w[3]), geometry, groups, slope, False, of_each)


@lru_cache(maxsize=512)
def _backward(
    g: Shape,
    w: Shape,
    bias: Shape | None,
    input_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    slope: float,
) -> Plan:
    n, channels, geometry = g[0], w[1] * groups, (stride, padding, dilation)
    definition.check((n, channels, *input_size), w, g, bias, channels, groups, geometry)
    of_each = bias is not None and len(bias) == 2
    target = (n, *input_size, channels)
    return _convolution(_in_memory(g), target, (w[2], w[3]), geometry, groups, slope, True, of_each)


@lru_cache(maxsize=512)
def _weights(
    x: Shape, g: Shape, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Callable[[Array, Array], Array]:
    geometry = (stride, padding, dilation)
    definition.check(x, (g[1], x[1] // groups, *kernel_size), g, None, g[1], groups, geometry)
    return _weight_gradient(_in_memory(x), _in_memory(g), kernel_size, geometry, groups)


@lru_cache(maxsize=64)
def _no_bias(channels: int) -> Array:
    return np.zeros(channels, np.float32)


def _run(plan: Plan, x: Array, w: Array, bias: Array | None, slope: float) -> Array:
    """(N, C, H, W) of an image and a weight in any order of memory."""
    image, weight, channels = nhwc(x), np.ascontiguousarray(w, _FLOAT), plan.shape[3]
    if bias is None:
        y = plan.run(image, weight, _no_bias(channels))
    elif bias.ndim == 1 or plan.of_each:
        y = plan.run(image, weight, np.ascontiguousarray(bias, _FLOAT))
    else:
        y = plan.run(image, weight, _no_bias(channels))
        y += bias[:, None, None]
        y = rectified(y, slope)
    return y.transpose(0, 3, 1, 2)


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
    """Image x (N, C, H, W), weight w (K, C/groups, KH, KW), bias (K,) or (N, K) -> (N, K, OH, OW), rectified."""
    if x.dtype != _FLOAT or not x.size or not w.size:
        return definition.conv2d(x, w, bias, stride, padding, dilation, groups, negative_slope)
    of_bias = None if bias is None else bias.shape
    plan = _forward(x.shape, w.shape, of_bias, stride, padding, dilation, groups, negative_slope)
    return _run(plan, x, w, bias, negative_slope)


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
    """Adjoint of `conv2d` in x, plus bias: g (N, K, OH, OW), w (K, C/groups, KH, KW) -> (N, C, H, W), rectified."""
    if g.dtype != _FLOAT or not g.size or not w.size:
        return definition.conv2d_input_grad(g, w, bias, input_size, stride, padding, dilation, groups, negative_slope)
    of_bias = None if bias is None else bias.shape
    plan = _backward(g.shape, w.shape, of_bias, input_size, stride, padding, dilation, groups, negative_slope)
    return _run(plan, g, w, bias, negative_slope)


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
    if x.dtype != _FLOAT or not x.size or not g.size:
        return definition.conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups)
    return _weights(x.shape, g.shape, kernel_size, stride, padding, dilation, groups)(nhwc(x), nhwc(g))
