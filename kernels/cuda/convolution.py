"""Convolution and its two gradients on a CUDA device: see convolution.cu, convolution_filters.cu, convolution_few.cu.

Signatures as in definitions/convolution.py. Images are read and written with the channels last in memory; others are
brought there by a copy. To what float32 is rounded on the way: kernels/rounding.py; where few channels are made
nothing is. Held by tests/kernels/test_convolution.py and tests/cuda/test_convolution_on_tiles.py.
"""

from math import gcd, prod
from typing import Any

from ..definitions.convolution import Pair, check
from ..definitions.rectifier import rectified
from . import gemm
from .launch import THREADS, address, arithmetic, ceil_div, cupy, launch
from .layout import channels_last

Array = Any

_FEW = 4  # channels of a group that convolution_few.cu makes better than a product of matrices
_PHASES = 8  # PHASES in convolution_few.cu
_BLOCKS = 1024  # that share out a gradient of few filters


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
    geometry = (stride, padding, dilation)
    size = check(x.shape, w.shape, None, None if bias is None else bias.shape, w.shape[0], groups, geometry)
    return _convolve(x, w, bias, size, w.shape[0], geometry, groups, False, float(negative_slope))


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
    geometry, channels = (stride, padding, dilation), w.shape[1] * groups
    bias_shape = None if bias is None else bias.shape
    check((g.shape[0], channels, *input_size), w.shape, g.shape, bias_shape, channels, groups, geometry)
    return _convolve(g, w, bias, input_size, channels, geometry, groups, True, float(negative_slope))


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
    geometry = (stride, padding, dilation)
    shape = (g.shape[1], x.shape[1] // groups, *kernel_size)
    check(x.shape, shape, g.shape, None, shape[0], groups, geometry)
    x, g = channels_last(x, x.dtype), channels_last(g, x.dtype)
    _check_pixels(x, g)
    dw = cupy().empty(shape, x.dtype)
    rows, width = shape[0] // groups, shape[1]
    sizes = (groups, width, *kernel_size, *stride, *padding, *dilation, *x.shape[1:3], *g.shape[1:3])
    if rows <= _FEW:
        _filter_gradient_few(g, x, dw, rows, sizes)
        return dw
    gemm.product(
        "convolution_filters/filter_gradient",
        gemm.choose(x.dtype, rows, prod(shape[1:]), prod(g.shape[:3]), groups),
        dw,
        None,
        *(g, x, *sizes),
        along_depth=(False, False),
        constants_of_loaders={"WIDTH_G": _width(g, rows), "WIDTH_X": _width(x, width)},
    )
    return dw


def _convolve(
    x: Array,
    w: Array,
    bias: Any,
    size: Pair,
    channels: int,
    geometry: Any,
    groups: int,
    is_gradient: bool,
    slope: float,
) -> Array:
    """The target (N, channels, *size) of the source x: a convolution or, if `is_gradient`, the gradient of one."""
    if bias is not None and bias.ndim == 2:  # one for each image; kernels know nothing of it: bfloat16 is rounded twice
        y = _convolve(x, w, None, size, channels, geometry, groups, is_gradient, 1.0)
        y += bias[:, :, None, None]
        return rectified(y, slope)
    x, kernel_size = channels_last(x, x.dtype), w.shape[2:]
    y = cupy().empty((x.shape[0], *size, channels), x.dtype)
    _check_pixels(x, y)
    bias = None if bias is None else cupy().ascontiguousarray(bias, dtype=arithmetic(x.dtype))
    columns, width = channels // groups, x.shape[3] // groups
    stride, padding, dilation = geometry
    phases = stride if is_gradient else (1, 1)
    steps = (p // gcd(p, d) for p, d in zip(phases, dilation))
    depth = width * prod(ceil_div(k, step) for k, step in zip(kernel_size, steps))  # of the phase with most taps
    form = (int(is_gradient), groups, width, *kernel_size, *stride, *padding, *dilation)
    sizes = (*x.shape[1:3], *size)
    if columns <= _FEW and max(phases) <= _PHASES:
        filters = _packed(w, x.dtype, prod(phases), depth, columns, form)
        lanes = 1 if width <= 4 else 8 if width <= 64 else 32  # threads that share the channels of a cell
        cells = y.size // columns
        args = (y, bias, cells, lanes, depth, x, filters, slope, *form, *sizes)
        blocks = ceil_div(cells * lanes, THREADS)
        launch("convolution_few/convolve_few", x.dtype, blocks, THREADS, *args, constants={"COLUMNS": columns})
        return y.transpose(0, 3, 1, 2)
    piece = gemm.WIDEST // x.dtype.itemsize
    filters = _packed(w, x.dtype, prod(phases), depth, ceil_div(columns, piece) * piece, form)
    piece = _width(x, width)
    cells = prod(ceil_div(s, p) for s, p in zip(size, phases))
    product = (len(x) * cells, columns, depth, groups * prod(phases))
    gemm.product(
        "convolution/convolve",
        gemm.choose(x.dtype, *product, larger_tiles(x.dtype, piece)),
        y,
        bias,
        *(x, filters, filters.shape[-1], slope, *form, *sizes),
        along_depth=(True, False),
        constants_of_loaders={"WIDTH": piece},
        slope=slope,
    )
    return y.transpose(0, 3, 1, 2)


def _filter_gradient_few(g: Array, x: Array, dw: Array, columns: int, sizes: tuple[int, ...]) -> None:
    """The gradient of the filters dw, `columns` of each group, as the sum of parts of the images' rows."""
    tiles = ceil_div(x.shape[3], 32) * prod(dw.shape[2:])
    rows = g.shape[0] * g.shape[1]
    span = max(1, ceil_div(rows * tiles, _BLOCKS))
    parts = cupy().empty((ceil_div(rows, span), dw.size), arithmetic(dw.dtype))
    args = (g, x, parts, rows, span, *sizes)
    blocks = (tiles, len(parts))
    names = {"COLUMNS": columns}
    launch("convolution_few/filter_gradient_few", dw.dtype, blocks, (32, 8), *args, constants=names)
    sum_up = (parts, None, len(parts), 1, dw, dw.size, 1.0)
    launch("parts/add_parts", dw.dtype, ceil_div(dw.size, THREADS), THREADS, *sum_up)


def larger_tiles(dtype: Any, piece: int) -> tuple[gemm.Tile, ...]:
    """Those for which a thread of `convolve` has registers: fewer for single channels, or multiply-adds one by one."""
    if piece == 1:
        return (gemm.MEDIUM,)
    return gemm.LARGER[1:] if gemm.multiplication(dtype) == "Simt" else gemm.LARGER


def _packed(w: Array, dtype: Any, phases: int, depth: int, size: int, form: tuple[int, ...]) -> Array:
    """w (K, C/groups, KH, KW) as (phases, depth, groups, size): see packing.cu."""
    is_gradient, groups, _, *geometry = form
    packed = cupy().empty((phases, depth, groups, size), dtype)
    channels = (w.shape[0] // groups, w.shape[1])
    args = (cupy().ascontiguousarray(w, dtype=dtype), packed, phases, depth, size, *channels, is_gradient, groups)
    launch("packing/pack_filters", dtype, ceil_div(packed.size, THREADS), THREADS, *args, *geometry)
    return packed


def _check_pixels(*images: Array) -> None:
    """The index arithmetic of axes.cuh and patches.cuh is in 32 bits, but for the places of numbers in memory."""
    for x in images:
        if prod(x.shape[:3]) >= 2**31:
            raise ValueError(f"convolution: images {x.shape} of 2**31 pixels or more, of all images together")


def _width(x: Array, channels: int) -> int:
    """How many of the `channels` of a group can be loaded at a time: 16 bytes of them, or 1."""
    piece = gemm.WIDEST // x.dtype.itemsize
    return piece if channels % piece == 0 and address(x) % gemm.WIDEST == 0 else 1
