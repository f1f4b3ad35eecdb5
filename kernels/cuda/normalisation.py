"""Batch, group, layer and RMS normalisation on a CUDA device.

See normalisation_rows.cu and normalisation_channels.cu, and definitions/normalisation.py for the formulas. Images are
read and written with the channels last in memory: others are brought there by a copy.
"""

from math import prod
from typing import Any

import numpy as np

from ..definitions.normalisation import (
    Running,
    check_channels,
    check_cotangent,
    check_groups,
    check_signs,
    check_trailing,
    move_running,
)
from .launch import arithmetic, ceil_div, cupy, launch
from .layout import channels_last
from .rectifier import rectified, rectified_backward

Array = Any

_ROWS = 4  # rows (or groups) to a block: one warp each
_SPAN = 256  # rows of a matrix that one block adds up
_TILE = (32, 8)  # threads of such a block: columns, and rows at a time


def _new(dtype: Any, *shapes: Any) -> list[Array]:
    return [cupy().empty(shape, dtype) for shape in shapes]


def _contiguous(dtype: Any, *arrays: Array | None) -> list[Array | None]:
    return [None if a is None else cupy().ascontiguousarray(a, dtype=dtype) for a in arrays]


def _add_rows(x: Array, dtype: Any) -> Array:
    """The sum of x (rows, columns), float64, over its rows, in `dtype`."""
    (y,) = _new(dtype, x.shape[1])
    launch("reduction/add_rows", dtype, ceil_div(x.shape[1], 128), 128, x, *x.shape, y)
    return y


# ---- channels


class _Images:
    """The shape of x (N, C, *) for normalisation_channels.cu, (images, pixels, channels), and the grid of blocks."""

    def __init__(self, x: Array, groups: int, of_batch: bool) -> None:
        self.device, self.dtype, self.real, self.groups = cupy(), x.dtype, arithmetic(x.dtype), groups
        self.size, self.channels = x.shape, x.shape[1]
        self.images, self.pixels = x.shape[0], prod(x.shape[2:])
        if of_batch:
            self.images, self.pixels = 1, self.images * self.pixels
        self.chunks = ceil_div(self.pixels, _SPAN)
        self.parts = (self.images * self.chunks, self.channels)
        self.blocks = (self.parts[0], ceil_div(self.channels, 32))

    def last(self, x: Array) -> Array:
        """x with the channels last, in one piece."""
        return channels_last(x, self.dtype)

    def new(self) -> tuple[Array, Array]:
        """A new array in that memory, and as the caller sees it."""
        (y,) = _new(self.dtype, (self.size[0], *self.size[2:], self.channels))
        return y, self.device.moveaxis(y, -1, 1)

    def launch(self, name: str, *args: Any) -> None:
        """A kernel that goes over all pixels."""
        launch(f"normalisation_channels/{name}", self.dtype, self.blocks, _TILE, *args)

    def launch_by_group(self, name: str, *args: Any) -> None:
        """A kernel that gives each group of each image a warp."""
        blocks = ceil_div(self.images * self.groups, _ROWS)
        launch(f"normalisation_channels/{name}", self.dtype, blocks, 32 * _ROWS, *args)


def _forward(
    shape: _Images, x: Array, weight: Any, bias: Any, eps: float, silu: bool, given: Running | None = None
) -> tuple[Array, Array, Array]:
    x, (weight, bias) = shape.last(x), _contiguous(shape.real, weight, bias)
    statistics = (shape.images, shape.groups)
    memory, y = shape.new()
    sizes = (shape.pixels, shape.channels)
    if given is None:
        means, squares = _new(np.float64, shape.parts, shape.parts)
        exact = _new(np.float64, statistics, statistics)
        rounded = _new(shape.real, statistics, statistics)
        shape.launch("channel_moments", x, means, squares, *sizes, _SPAN)
        outputs = (*exact, *rounded, shape.images, *sizes, shape.groups, shape.chunks, _SPAN, np.float64(eps))
        shape.launch_by_group("group_statistics", means, squares, *outputs)
    else:
        mean, var = (a.astype(np.float64).reshape(statistics) for a in given[:2])
        exact = [mean, 1.0 / shape.device.sqrt(var + eps)]
        rounded = [a.astype(shape.real) for a in exact]
    shape.launch("normalise", x, *exact, weight, bias, memory, *sizes, shape.groups, _SPAN, int(silu))
    return y, *rounded


def _backward(
    shape: _Images, g: Array, x: Array, weight: Any, bias: Any, mean: Array, rstd: Array, silu: bool, own: bool = True
) -> tuple[Array, Array, Array]:
    inputs = (shape.last(g), shape.last(x), *_contiguous(shape.real, mean, rstd, weight, bias))
    weight = inputs[4]
    dweight, dbias = _new(np.float64, shape.parts, shape.parts)
    along = _new(np.float64, *2 * [(shape.images, shape.groups)])
    memory, dx = shape.new()
    sizes = (shape.pixels, shape.channels, shape.groups)
    shape.launch("channel_sums", *inputs, dweight, dbias, *sizes, _SPAN, int(silu))
    shape.launch_by_group("group_sums", dweight, dbias, weight, *along, shape.images, *sizes, shape.chunks)
    if not own:  # the statistics do not depend on x
        along = [shape.device.zeros_like(a) for a in along]
    shape.launch("input_gradient", *inputs, *along, memory, *sizes, _SPAN, int(silu))
    return dx, _add_rows(dweight, shape.real), _add_rows(dbias, shape.real)


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    negative_slope: float = 1.0,
    running: Running | None = None,
    own: bool = True,
) -> tuple[Array, Array, Array]:
    """Every channel of x (N, C, *) over N and *: y like x, rectified in a launch of its own, mean (C,), rstd (C,)."""
    check_channels("batch_norm", x, weight, bias, *(running or ())[:2])
    given = None if own else running
    y, mean, rstd = _forward(_Images(x, x.shape[1], True), x, weight, bias, eps, False, given)
    mean, rstd = mean.reshape(-1), rstd.reshape(-1)
    if running is not None and own:
        move_running(running, mean, rstd, eps, x.size // x.shape[1])
    return rectified(y, negative_slope), mean, rstd


def batch_norm_backward(
    g: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    y: Array | None = None,
    negative_slope: float = 1.0,
    room: Array | None = None,
    own: bool = True,
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (C,), dbias (C,)) of batch_norm for the cotangent g of y."""
    check_channels("batch_norm_backward", x, weight, mean, rstd)
    check_cotangent("batch_norm_backward", g, x)
    check_signs("batch_norm_backward", x, y, negative_slope)
    g = rectified_backward(g, y, negative_slope)
    return _backward(_Images(x, x.shape[1], True), g, x, weight, None, mean, rstd, False, own)


def group_norm(
    x: Array, num_groups: int, weight: Array | None, bias: Array | None, eps: float, silu: bool = False
) -> tuple[Array, Array, Array]:
    """Each group of channels of each example of x (N, C, *): y like x, mean (N, G), rstd (N, G)."""
    check_channels("group_norm", x, weight, bias)
    check_groups("group_norm", x, num_groups)
    return _forward(_Images(x, num_groups, False), x, weight, bias, eps, silu)


def group_norm_backward(
    g: Array,
    x: Array,
    num_groups: int,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    rstd: Array,
    silu: bool = False,
    room: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (C,), dbias (C,)) of group_norm for the cotangent g of y."""
    check_channels("group_norm_backward", x, weight, bias)
    check_cotangent("group_norm_backward", g, x)
    check_groups("group_norm_backward", x, num_groups)
    return _backward(_Images(x, num_groups, False), g, x, weight, bias, mean, rstd, silu)


# ---- rows


def _by_row(name: str, dtype: Any, rows: int, *args: Any) -> None:
    launch(f"normalisation_rows/{name}", dtype, ceil_div(rows, _ROWS), 32 * _ROWS, *args)


def _rows_forward(
    x: Array, ndim_normalised: int, weight: Any, bias: Any, eps: float, centred: bool
) -> tuple[Array, Array, Array]:
    leading = x.shape[: x.ndim - ndim_normalised]
    rows, columns = prod(leading), prod(x.shape[len(leading) :])
    real = arithmetic(x.dtype)
    (y,), (mean, rstd) = _new(x.dtype, x.shape), _new(real, leading, leading)
    inputs = (*_contiguous(x.dtype, x), *_contiguous(real, weight, bias))
    _by_row("layer_norm", x.dtype, rows, *inputs, y, mean, rstd, rows, columns, np.float64(eps), int(centred))
    return y, mean, rstd


def _rows_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Any, mean: Any, rstd: Array, centred: bool
) -> tuple[Array, Array, Array]:
    trailing = x.shape[x.ndim - ndim_normalised :]
    columns = prod(trailing)
    rows = prod(x.shape[: x.ndim - ndim_normalised])
    (dx,) = _new(x.dtype, x.shape)
    real = arithmetic(x.dtype)
    (g, x), (weight, mean, rstd) = _contiguous(x.dtype, g, x), _contiguous(real, weight, mean, rstd)
    sizes = (rows, columns)
    _by_row("layer_norm_backward", dx.dtype, rows, g, x, weight, mean, rstd, dx, *sizes, int(centred))
    parts = (ceil_div(rows, _SPAN), columns)
    sums = _new(np.float64, parts, parts)
    grid = (parts[0], ceil_div(columns, 32))
    name = "normalisation_rows/layer_norm_parameters"
    launch(name, dx.dtype, grid, _TILE, g, x, mean, rstd, *sums, *sizes, _SPAN, int(centred))
    dweight, dbias = (_add_rows(part, real).reshape(trailing) for part in sums)
    return dx, dweight, dbias


def layer_norm(
    x: Array, ndim_normalised: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """x (*rows, *D) over its last `ndim_normalised` dimensions D: y like x, mean (*rows), rstd (*rows)."""
    check_trailing("layer_norm", x, ndim_normalised, weight, bias)
    return _rows_forward(x, ndim_normalised, weight, bias, eps, True)


def layer_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, mean: Array, rstd: Array
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (*D), dbias (*D)) of layer_norm for the cotangent g of y."""
    check_trailing("layer_norm_backward", x, ndim_normalised, weight)
    check_cotangent("layer_norm_backward", g, x)
    return _rows_backward(g, x, ndim_normalised, weight, mean, rstd, True)


def rms_norm(x: Array, ndim_normalised: int, weight: Array | None, eps: float) -> tuple[Array, Array]:
    """x (*rows, *D) over the root of its mean square + eps over D: y like x, rstd (*rows)."""
    check_trailing("rms_norm", x, ndim_normalised, weight)
    y, _, rstd = _rows_forward(x, ndim_normalised, weight, None, eps, False)
    return y, rstd


def rms_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, rstd: Array
) -> tuple[Array, Array]:
    """Gradients (dx like x, dweight (*D)) of rms_norm for the cotangent g of y."""
    check_trailing("rms_norm_backward", x, ndim_normalised, weight)
    check_cotangent("rms_norm_backward", g, x)
    dx, dweight, _ = _rows_backward(g, x, ndim_normalised, weight, None, rstd, False)
    return dx, dweight
