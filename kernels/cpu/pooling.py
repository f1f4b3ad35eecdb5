"""Sums and maxima over windows, and their adjoints: every pixel is made of a rectangle of the other images.

    sum_windows, max_windows       window oh takes the rows   oh s - p, ..., oh s - p + k - 1 that exist
    spread_windows, place_chosen   row h sums the windows that see it: oh s <= h + p < oh s + k

and so along the columns; `place_chosen` only those that have chosen it. One sweep over float32 images, with their
channels last in memory, a vector of channels at a time; all else is the definition.
Held to it by tests/kernels/test_pooling.py.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from ..definitions import pooling as definition
from ..definitions.arithmetic import LARGE
from ..definitions.pooling import Pair
from .launch import Arguments, flags, floats, integer, integers, launch, real, task
from .packing import fetch, load_vector, store_vector
from .rows_copied import copy_floats, in_order
from .simd import FLOATS, LANES, address, first_lanes, intrinsic, llvm_call, splat, vector, vfill, vheld, vzero
from .threads import thread_count

Array = NDArray[Any]
_FLOAT, _BYTE = np.dtype(np.float32), np.dtype(np.uint8)
_ZERO, _ONE, _LEAST = np.float32(0), np.float32(1), np.float32(-np.inf)
_OFFSETS = 256  # that a byte can tell apart
_AHEAD = 2048  # floats between what is read and what is fetched from memory meanwhile
_BYTES = ir.VectorType(ir.IntType(8), LANES)


@intrinsic
def _where_exceeds(typing: Any, x: Any, y: Any, a: Any, b: Any) -> Any:
    """a where x is greater than y, or is NaN and y is not; else b."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, y, a, b = args
        exceeds = builder.and_(builder.fcmp_unordered(">", x, y), builder.fcmp_ordered("ord", y, y))
        return builder.select(exceeds, a, b)

    return (vector(x, y, a, b), build) if x == y == a == b == vector else None


@intrinsic
def _store_bytes(typing: Any, array: Any, index: Any, count: Any, value: Any) -> Any:
    """array[index:] = the first `count` lanes of value, whole numbers, as bytes."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = address(context, builder, sig.args, args, _BYTES)
        mask = first_lanes(context, builder, sig.args[2], args[2])
        operands = [builder.fptoui(args[3], _BYTES), pointer, ir.Constant(ir.IntType(32), 1), mask]
        llvm_call(builder, f"llvm.masked.store.v{LANES}i8.p0", ir.VoidType(), operands)
        return context.get_dummy_value()

    return (types.void(array, index, count, value), build) if value == vector else None


@intrinsic
def _where_byte(typing: Any, array: Any, index: Any, count: Any, byte: Any, a: Any) -> Any:
    """a where array[index:], of which `count` bytes exist, is `byte`, else 0."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = address(context, builder, sig.args, args, _BYTES)
        mask = first_lanes(context, builder, sig.args[2], args[2])
        operands = [pointer, ir.Constant(ir.IntType(32), 1), mask, ir.Constant(_BYTES, [0] * LANES)]
        found = llvm_call(builder, f"llvm.masked.load.v{LANES}i8.p0", _BYTES, operands)
        wanted = splat(
            builder, builder.trunc(context.cast(builder, args[3], sig.args[3], types.intp), _BYTES.element), _BYTES
        )
        return builder.select(builder.icmp_unsigned("==", found, wanted), args[4], ir.Constant(FLOATS, [0.0] * LANES))

    return (vector(array, index, count, byte, a), build) if a == vector else None


@task
def _sum_rectangles(block, part, parts):
    """Arguments: x, y; scale; from and to of the rows, of the columns of each pixel of y; height and width of x,
    channels; and what the tasks below are told."""
    x, y, scale = floats(block, 0), floats(block, 1), np.float32(real(block, 2))
    rows, columns = integers(block, 3), integers(block, 4)
    height, width, channels = integer(block, 5), integer(block, 6), integer(block, 7)
    high, wide = rows.size // 2, columns.size // 2
    lines = y.size // (wide * channels)
    for line in range(lines * part // parts, lines * (part + 1) // parts):
        image, h = line // high * height, line % high
        r0, r1 = rows[2 * h], rows[2 * h + 1]
        for w in range(wide):
            v0, v1 = columns[2 * w], columns[2 * w + 1]
            to = (line * wide + w) * channels
            if r1 - r0 == 1 and v1 - v0 == 1 and scale == 1:
                copy_floats(x, ((image + r0) * width + v0) * channels, y, to, channels)
            else:
                for c in range(0, channels, LANES):
                    total = vzero()
                    for r in range(r0, r1):
                        for v in range(v0, v1):
                            at = ((image + r) * width + v) * channels + c
                            fetch(x, at + _AHEAD)
                            total = total + load_vector(x, at, channels - c, _ZERO)
                    store_vector(y, to + c, channels - c, total * vfill(scale))


@task
def _max_rectangles(block, part, parts):
    """Arguments: x, y, which; from and to of the rows, of the columns of each window; height and width of x, channels;
    the kernel's width, strides, paddings."""
    x, y, which = floats(block, 0), floats(block, 1), flags(block, 2)
    rows, columns = integers(block, 3), integers(block, 4)
    height, width, channels, across = integer(block, 5), integer(block, 6), integer(block, 7), integer(block, 8)
    down, step, above, before = integer(block, 9), integer(block, 10), integer(block, 11), integer(block, 12)
    high, wide = rows.size // 2, columns.size // 2
    lines = y.size // (wide * channels)
    for line in range(lines * part // parts, lines * (part + 1) // parts):
        image, h = line // high * height, line % high
        r0, r1 = rows[2 * h], rows[2 * h + 1]
        for w in range(wide):
            v0, v1 = columns[2 * w], columns[2 * w + 1]
            to, skipped = (line * wide + w) * channels, vfill(np.float32(across - v1 + v0))
            corner, of_corner = (
                ((image + r0) * width + v0) * channels,
                (r0 - h * down + above) * across + v0 - w * step + before,
            )
            for c in range(0, channels, LANES):
                greatest, chosen = vfill(_LEAST), vfill(np.float32(of_corner))
                at, offset = corner + c, chosen
                for _ in range(r0, r1):
                    for _ in range(v0, v1):
                        fetch(x, at + _AHEAD)
                        u = load_vector(x, at, channels - c, _ZERO)
                        chosen = _where_exceeds(u, greatest, offset, chosen)
                        greatest = _where_exceeds(u, greatest, u, greatest)
                        at, offset = at + channels, offset + vfill(_ONE)
                    at, offset = at + (width - v1 + v0) * channels, offset + skipped
                store_vector(y, to + c, channels - c, greatest)
                _store_bytes(which, to + c, channels - c, chosen)


@task
def _place_chosen(block, part, parts):
    """Arguments: g, which, y; from and to of the rows, of the columns of the windows that see each pixel of y; height
    and width of g, channels; the kernel's width, strides, paddings."""
    g, which, y = floats(block, 0), flags(block, 1), floats(block, 2)
    rows, columns = integers(block, 3), integers(block, 4)
    height, width, channels, across = integer(block, 5), integer(block, 6), integer(block, 7), integer(block, 8)
    down, step, above, before = integer(block, 9), integer(block, 10), integer(block, 11), integer(block, 12)
    high, wide = rows.size // 2, columns.size // 2
    lines = y.size // (wide * channels)
    for line in range(lines * part // parts, lines * (part + 1) // parts):
        image, h = line // high * height, line % high
        r0, r1 = rows[2 * h], rows[2 * h + 1]
        for w in range(wide):
            v0, v1 = columns[2 * w], columns[2 * w + 1]
            to = (line * wide + w) * channels
            if r1 - r0 == 1 and v1 - v0 == 1:
                at = ((image + r0) * width + v0) * channels
                offset = (h + above - r0 * down) * across + w + before - v0 * step
                for c in range(0, channels, LANES):
                    u = vheld(load_vector(g, at + c, channels - c, _ZERO))
                    store_vector(y, to + c, channels - c, _where_byte(which, at + c, channels - c, offset, u))
                continue
            for c in range(0, channels, LANES):
                left = channels - c
                total = vzero()
                for r in range(r0, r1):
                    for v in range(v0, v1):
                        at = ((image + r) * width + v) * channels + c
                        offset = (h + above - r * down) * across + w + before - v * step
                        total = total + _where_byte(which, at, left, offset, vheld(load_vector(g, at, left, _ZERO)))
                store_vector(y, to + c, left, total)


# Tables and sizes are found once for each combination of shapes.


def _windows(size: int, windows: int, kernel: int, stride: int, padding: int) -> NDArray[np.intp]:
    """From and to, of the pixels of each window along an axis of `size`."""
    start = np.arange(windows) * stride - padding
    return np.stack([np.maximum(start, 0), np.minimum(start + kernel, size)], axis=1).reshape(-1)


def _seen_by(size: int, windows: int, kernel: int, stride: int, padding: int) -> NDArray[np.intp]:
    """From and to, of the windows that see each pixel of an axis of `size`."""
    place = np.arange(size) + padding
    first = np.maximum(-(-(place - kernel + 1) // stride), 0)
    last = np.minimum(place // stride, windows - 1)
    return np.stack([first, np.maximum(last + 1, first)], axis=1).reshape(-1)


class _Plan(NamedTuple):
    """What images of one shape are given to a task with."""

    strides: tuple[int, ...]  # of these, (N, C, H, W), where the channels come last in memory
    made: tuple[int, ...]  # the sizes of the result, in the order of memory
    numbers: Arguments  # what tasks are told


def _plan(shape: tuple[int, ...], size: Pair, rows: Array, columns: Array, *rest: int) -> _Plan:
    """`size`: the result's; then what tasks are told beside height, width and channels."""
    n, channels, height, width = shape
    row = 4 * width * channels
    strides = height * row, 4, row, 4 * channels
    return _Plan(strides, (n, *size, channels), (rows, columns, height, width, channels, *rest))


@lru_cache(maxsize=256)
def _of_windows(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> _Plan:
    """Of images of `shape`."""
    size = shape[2], shape[3]
    count = definition.windows(size, kernel, stride, padding)
    rows, columns = (_windows(*axis) for axis in zip(size, count, kernel, stride, padding))
    return _plan(shape, count, rows, columns, kernel[1], *stride, *padding)


@lru_cache(maxsize=256)
def _of_pixels(shape: tuple[int, ...], size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> _Plan:
    """Of images of `size`, from one number of `shape` for each window."""
    rows, columns = (_seen_by(*axis) for axis in zip(size, shape[2:], kernel, stride, padding))
    return _plan(shape, size, rows, columns, kernel[1], *stride, *padding)


def _channels_last(x: Array, plan: _Plan) -> Array:
    """Images (N, C, H, W) as they are where the memory is (N, H, W, C), else copied to such."""
    return x if x.strides == plan.strides else in_order(x.transpose(0, 2, 3, 1))


def _summed(x: Array, scale: float, plan: _Plan) -> Array:
    y = np.empty(plan.made, _FLOAT)
    parts = thread_count(x.size + y.size, LARGE)
    launch(_sum_rectangles, parts, _channels_last(x, plan), y, scale, plan.numbers)
    return y.transpose(0, 3, 1, 2)


def sum_windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, scale: float = 1.0) -> Array:
    """The sum of every window of images (N, C, H, W), times `scale`; see the definition."""
    if x.dtype != _FLOAT or not x.size:
        return definition.sum_windows(x, kernel, stride, padding, scale)
    return _summed(x, scale, _of_windows(x.shape, kernel, stride, padding))


def spread_windows(g: Array, size: Pair, kernel: Pair, stride: Pair, padding: Pair, scale: float = 1.0) -> Array:
    """Each entry of g (N, C, OH, OW), times `scale`, added at every place of its window; see the definition."""
    if g.dtype != _FLOAT or not g.size:
        return definition.spread_windows(g, size, kernel, stride, padding, scale)
    return _summed(g, scale, _of_pixels(g.shape, size, kernel, stride, padding))


# ---- maxima


def max_windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[Array, Array]:
    """The largest entry of every window of images (N, C, H, W), and which of its offsets; see the definition."""
    if x.dtype != _FLOAT or not x.size or dilation != (1, 1) or kernel[0] * kernel[1] > _OFFSETS:
        return definition.max_windows(x, kernel, stride, padding, dilation)
    plan = _of_windows(x.shape, kernel, stride, padding)
    y, which = np.empty(plan.made, _FLOAT), np.empty(plan.made, _BYTE)
    launch(_max_rectangles, thread_count(x.size, LARGE), _channels_last(x, plan), y, which, plan.numbers)
    return y.transpose(0, 3, 1, 2), which.transpose(0, 3, 1, 2)


def place_chosen(
    g: Array, which: Array, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Each entry of g (N, C, OH, OW) added at the offset `which` of its window; see the definition."""
    chosen = which.transpose(0, 2, 3, 1)
    suits = dilation == (1, 1) and chosen.dtype == _BYTE and chosen.flags.c_contiguous and which.shape == g.shape
    if g.dtype != _FLOAT or not g.size or not suits:
        return definition.place_chosen(g, which, size, kernel, stride, padding, dilation)
    plan = _of_pixels(g.shape, size, kernel, stride, padding)
    y = np.empty(plan.made, _FLOAT)
    launch(_place_chosen, thread_count(y.size, LARGE), _channels_last(g, plan), chosen, y, plan.numbers)
    return y.transpose(0, 3, 1, 2)
