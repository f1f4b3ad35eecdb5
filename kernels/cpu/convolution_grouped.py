"""Convolution in float32 in groups of few channels, as many out as in: 1 (depthwise), 2, 4 or 8.

A product for each group would fill few lanes of a vector. Here lanes are channels: output channel c, of group c // G,
sees the G input channels of its group, which lie in the same vector. For each of them the vector of inputs is shuffled
so that every lane holds its own group's:

    y[c] = sum over taps, i < G of x[tap, (c // G) G + i] w[c, i, tap]

The gathering of pixels is convolution_direct.py's; only what is done with them is other. Held by
tests/kernels/test_convolution.py.
"""

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from tinygen.kernels.cpu import convolution_direct as direct
from tinygen.kernels.cpu.compiled import njit
from tinygen.kernels.cpu.convolution_direct import pack_bias
from tinygen.kernels.cpu.convolution_layout import Axis, Pair
from tinygen.kernels.cpu.convolution_plan import Plan, Shape
from tinygen.kernels.cpu.gemm import at, clamped, load, pointers, store, vectors_at
from tinygen.kernels.cpu.launch import floats, integers, several, task, variant
from tinygen.kernels.cpu.simd import FASTMATH, FLOATS, LANES, REGISTERS, intrinsic, multiply_add

_INT = ir.IntType(64)
_LANE = ir.VectorType(ir.IntType(32), LANES)
CELLS = 8 if REGISTERS == 32 else 6  # taken together: their sums and their inputs are in registers
SUMS = 24 if REGISTERS == 32 else 8  # of a weight gradient in registers


def suits(channels: int, out_channels: int, groups: int) -> bool:
    """Whether whole groups fill vectors."""
    size = channels // groups
    return channels == out_channels and size in (1, 2, 4, 8) and size <= LANES and channels % LANES == 0


def _spread(builder: Any, x: Any, size: int, i: int) -> Any:
    """In every lane input i of its group."""
    if size == 1:
        return x
    lanes = [lane // size * size + i for lane in range(LANES)]
    return builder.shuffle_vector(x, ir.Constant(FLOATS, ir.Undefined), ir.Constant(_LANE, lanes))


def _add_product(builder: Any, total: Any, x: Any, y: Any) -> None:
    builder.store(multiply_add(builder, x, y, builder.load(total)), total)


def _cells_tile(size: int) -> Any:
    """Cells m, m + 1, ... of one vector of channels: out[there + target[m]] = bias + the sum over the taps."""

    def tile(typing, x, start, source, m, count, taps, weight, w_start, channels, out, there, target, bias, vector):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, start, source, m, count, taps, weight, w_start, channels, out, there, target, bias, vector = pointers(
                context, builder, sig, args
            )
            offsets = context.make_array(sig.args[5])(context, builder, args[5])
            rows = builder.extract_value(offsets.shape, 0)
            cells = [clamped(builder, m, i, count) for i in range(CELLS)]
            begin = [builder.add(start, builder.load(at(builder, source, i))) for i in cells]
            initial = load(builder, vectors_at(builder, bias, vector))
            sums = [cgutils.alloca_once(builder, FLOATS) for _ in cells]
            for total in sums:
                builder.store(initial, total)
            cursor = cgutils.alloca_once_value(builder, builder.add(w_start, vector))
            step = ir.Constant(_INT, size)
            with cgutils.for_range_slice(builder, ir.Constant(_INT, 0), rows, step, _INT) as (row, _):
                offset = builder.load(at(builder, taps, row))
                inputs = [load(builder, vectors_at(builder, x, builder.add(b, offset))) for b in begin]
                for i in range(size):
                    place = builder.load(cursor)
                    w = load(builder, vectors_at(builder, weight, place))
                    builder.store(builder.add(place, channels), cursor)
                    for total, value in zip(sums, inputs):
                        _add_product(builder, total, _spread(builder, value, size, i), w)
            for cell, total in zip(cells, sums):
                to = builder.add(there, builder.load(at(builder, target, cell)))
                store(builder, builder.load(total), vectors_at(builder, out, to))
            return context.get_dummy_value()

        n = types.intp
        return types.void(x, n, source, n, n, taps, weight, n, n, out, n, target, bias, n), build

    return intrinsic(tile)


def _weights_tile(size: int) -> Any:
    """Taps t, t + 1, ... of one vector of channels: total += the sum over cells of inputs times g."""
    together = SUMS // size

    def tile(typing, x, start, source, count, taps, tap, g, pixel, channels, total, vector):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, start, source, count, taps, tap, g, pixel, channels, total, vector = pointers(
                context, builder, sig, args
            )
            offsets = context.make_array(sig.args[4])(context, builder, args[4])
            several = ir.Constant(_INT, size)
            end = builder.sdiv(builder.extract_value(offsets.shape, 0), several)
            rows = [builder.mul(clamped(builder, tap, i, end), several) for i in range(together)]
            begin = [builder.add(start, builder.load(at(builder, taps, row))) for row in rows]
            places = [
                [
                    vectors_at(
                        builder, total, builder.add(vector, builder.mul(builder.add(r, ir.Constant(_INT, i)), channels))
                    )
                    for i in range(size)
                ]
                for r in rows
            ]
            sums = [[cgutils.alloca_once_value(builder, load(builder, p)) for p in row] for row in places]
            cursor = cgutils.alloca_once_value(builder, pixel)
            with cgutils.for_range(builder, count) as loop:
                there = builder.load(cursor)
                gradient = load(builder, vectors_at(builder, g, there))
                builder.store(builder.add(there, channels), cursor)
                offset = builder.load(at(builder, source, loop.index))
                for first, row in zip(begin, sums):
                    value = load(builder, vectors_at(builder, x, builder.add(first, offset)))
                    for i, one in enumerate(row):
                        _add_product(builder, one, _spread(builder, value, size, i), gradient)
            for row, there in zip(sums, places):
                for one, place in zip(row, there):
                    store(builder, builder.load(one), place)
            return context.get_dummy_value()

        n = types.intp
        return types.void(x, n, source, n, taps, n, g, n, n, total, n), build

    return intrinsic(tile)


def _cells(x, start, source, count, runs, taps, weight, w_start, out, there, target, rough, dense, bias, both, groups):
    """`direct.fill`; weights are (taps, inputs of a group, channels)."""
    channels = both[1]
    for vector in range(0, channels, LANES):
        for m in range(0, count, CELLS):
            first, to = start + vector, there + vector
            _tile(x, first, source, m, count, taps, weight, w_start * channels, channels, out, to, target, bias, vector)  # type: ignore[name-defined]  # noqa: F821


def _weights(x, start, source, count, taps, g, pixel, total, rough, both, groups, padded):
    """`direct.sum_up`; sums are (taps, inputs of a group, channels)."""
    channels = both[1]
    size = channels // groups
    for vector in range(0, channels, LANES):
        for tap in range(0, taps.size // size, SUMS // size):
            _tile(x, start + vector, source, count, taps, tap, g, pixel + vector, channels, total, vector)  # type: ignore[name-defined]  # noqa: F821


@task
def _pack(block, part, parts):
    """The bias; and the weight as (taps, inputs of a group, channels), or its adjoint's: (taps, outputs, channels)."""
    w, bias, room = floats(block, 1), floats(block, 2), floats(block, 4)
    places, sizes = integers(block, 12), integers(block, 13)
    groups, size, _, _, group_step, row_step, column_step, packed_at = several(sizes, 0, 8)
    channels = groups * size
    if part == 0:
        pack_bias(bias, room, groups, size, size)
    for tap in range(places.size * part // parts, places.size * (part + 1) // parts):
        for i in range(size):
            to = packed_at + (tap * size + i) * channels
            for c in range(channels):
                at = c // size * group_step + i * row_step + c % size * column_step
                room[to + c] = w[at + places[tap]]


@task
def _add_sums(block, part, parts):
    """The weight's gradient, of what each part has summed up as (taps, inputs of a group, channels)."""
    w, sums, places, sizes = floats(block, 2), floats(block, 3), integers(block, 7), integers(block, 8)
    groups, size, own, taps = sizes[0], sizes[1], sizes[7], places.size
    channels = groups * size
    for c in range(channels * part // parts, channels * (part + 1) // parts):
        for i in range(size):
            for tap in range(taps):
                at = (tap * size + i) * channels + c
                value = sums[at]
                for other in range(1, parts):
                    value += sums[other * own + at]
                w[(c * size + i) * taps + places[tap]] = value


@cache
def _variant(size: int, work: task, inner: Any, name: str, tile: Any) -> task:
    """`work` with `inner` for groups of `size` channels in place of the function `name`."""
    filled = njit(fastmath=FASTMATH)(variant(inner, f"{inner.__name__}_{size}", _tile=tile(size)))
    return work.variant(f"{work.function.__name__}_{size}", **{name: filled})


def plan(
    source: Shape, target: Shape, kernel: Pair, groups: int, h: Axis, w: Axis, negative_slope: float, adjoint: bool
) -> Plan:
    """From an NHWC `source` to a `target`, rectified."""
    size = source[3] // groups
    work = _pack.then(_variant(size, direct.gather, _cells, "fill", _cells_tile))
    return direct.plan(source, target, kernel, groups, h, w, negative_slope, adjoint, work, size)


def weight_plan(source: Shape, target: Shape, kernel: Pair, groups: int, h: Axis, w: Axis) -> Plan:
    """The gradient in the weight of a convolution from an NHWC `source` to a `target`."""
    size = source[3] // groups
    work = _variant(size, direct.gather_weights, _weights, "sum_up", _weights_tile).then(_add_sums)
    return direct.weight_plan(source, target, kernel, groups, h, w, work, size)
