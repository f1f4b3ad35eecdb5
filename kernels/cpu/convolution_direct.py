"""Convolution in float32 by implicit matrix products: any kernel, stride, padding, dilation, channels, groups.

Each phase of the cells in convolution_layout.py is a matrix product of source pixels with the weights of its taps,
found through tables of offsets (convolution_gather.py, `gemm.multiply`): forward and input gradient are one routine.
The weight gradient sums over the pixels, each thread on its own; the threads' sums are added in a fixed order. Held by
tests/kernels/test_convolution.py.
"""

import numpy as np

from tinygen.kernels.cpu.compiled import njit
from tinygen.kernels.cpu.convolution_gather import PHASE, gather_of
from tinygen.kernels.cpu.convolution_layout import Axis, Pair, copy_band, zero_floats
from tinygen.kernels.cpu.convolution_plan import PACKED, SUMS, Plan, Shape, rooms
from tinygen.kernels.cpu.gemm import accumulate_far, multiply_far, panel_width, round_up
from tinygen.kernels.cpu.launch import floats, integers, several, task
from tinygen.kernels.cpu.packing import load_vector, store_vector
from tinygen.kernels.cpu.rectifier import rectify
from tinygen.kernels.cpu.simd import FASTMATH, LANES, vload, vstore


@njit(fastmath=FASTMATH)
def pack_bias(bias, room, groups, outputs, padded):
    """The bias of each group, filled up with zeros."""
    for g in range(groups):
        for j in range(outputs):
            room[g * padded + j] = bias[g * outputs + j]
        for j in range(outputs, padded):
            room[g * padded + j] = np.float32(0)


@task
def _pack(block, part, parts):
    """The bias, and the weight of each phase and group in panels, its rows the taps' inputs."""
    w, bias, room = floats(block, 1), floats(block, 2), floats(block, 4)
    phases, places, sizes = integers(block, 6), integers(block, 12), integers(block, 13)
    groups, rows, columns, padded, group_step, row_step, column_step, packed_at = several(sizes, 0, 8)
    packed = room[packed_at:]
    if part == 0:
        pack_bias(bias, room, groups, columns, padded)
    for f in range(phases.size // PHASE):
        depth, first = phases[f * PHASE + 5], phases[f * PHASE + 6]
        for g in range(groups):
            column = 0
            while column < padded:
                width = panel_width(padded - column)
                valid = min(width, columns - column)
                panel = (first * groups + g * depth) * padded + depth * column
                for row in range(rows * part // parts, rows * (part + 1) // parts):
                    for tap in range(depth // rows):
                        at = g * group_step + row * row_step + column * column_step + places[first // rows + tap]
                        to = panel + (tap * rows + row) * width
                        for j in range(valid):
                            packed[to + j] = w[at + j * column_step]
                        for j in range(valid, width):
                            packed[to + j] = np.float32(0)
                column += width


@njit(fastmath=FASTMATH)
def fill(x, start, source, count, runs, taps, weight, w_start, out, there, target, rough, dense, bias, both, groups):
    """The cells of a phase: for each group the product of `count` gathered rows with its weights.

    `both` are the numbers of channels in and out, `taps` the offsets of the rows of the weights.
    """
    columns, padded = both[1] // groups, bias.size // groups
    depth = taps.size
    for g in range(groups):
        a, b, c = start + g * (both[0] // groups), (w_start * groups + g * depth) * padded, there + g * columns
        if padded == columns:
            multiply_far(x, a, source, count, runs, weight, b, padded, out, c, target, bias, g * padded)
        else:
            multiply_far(x, a, source, count, runs, weight, b, padded, rough, 0, dense, bias, g * padded)
            for m in range(count):
                to = c + target[m]
                for j in range(0, columns, LANES):
                    store_vector(out, to + j, columns - j, vload(rough, m * padded + j))


@task
def gather(block, part, parts):
    """The cells of all phases, a band of rows or a few images at a time."""
    x, out, room = floats(block, 0), floats(block, 3), floats(block, 4)
    geometry, phases, runs, tap_rows = integers(block, 5), integers(block, 6), integers(block, 7), integers(block, 8)
    source, target, dense = integers(block, 9), integers(block, 10), integers(block, 11)
    sizes, slope = integers(block, 13), floats(block, 14)
    padded, packed_at, shared, own, rough_at, pieces = sizes[3], sizes[7], sizes[8], sizes[9], sizes[10], sizes[11]
    bands, images, band, inside, height, width, channels, out_height, out_width, out_channels = several(geometry, 0, 10)
    row, rows, top, left, groups, _, read, write = several(geometry, 10, 8)
    bias, weight, buffer = room[: groups * padded], room[packed_at:], room[shared + part * own :]
    rough = buffer[rough_at:]
    piece, last = pieces * part // parts, pieces * (part + 1) // parts
    while piece < last:
        image = piece // bands
        here = min(images, last - piece)
        q0 = piece % bands * band
        piece += here
        up = top + q0 * read
        which = x if inside else buffer
        origin = ((image * height + up) * width + left) * channels if inside else 0
        if not inside:
            for i in range(here):
                to = i * rows * row * channels
                copy_band(x, image + i, height, width, channels, buffer, to, up, rows, left, row)
        for f in range(phases.size // PHASE):
            e, across, table, run0, run1, depth, w_start = several(phases, f * PHASE, 7)
            q1 = min(q0 + band, (out_height - 1 - e) // write + 1)
            count = here * max(q1 - q0, 0) * across
            s, d, r, taps = source[table:], target[table:], runs[run0:run1], tap_rows[w_start : w_start + depth]
            there = (image * out_height + q0 * write + e) * out_width * out_channels
            both = (channels, out_channels)
            fill(which, origin, s, count, r, taps, weight, w_start, out, there, d, rough, dense, bias, both, groups)
        if slope[0] != 1:  # while they are in cache
            line, first = out_width * out_channels, q0 * write
            high = min(band * write, out_height - first)
            rectify(out, (image * out_height + first) * line, here * high * line, slope)


CONVOLVE = _pack.then(gather)


def plan(
    source: Shape,
    target: Shape,
    kernel: Pair,
    groups: int,
    h: Axis,
    w: Axis,
    negative_slope: float,
    adjoint: bool,
    work: task = CONVOLVE,
    padded: int = 0,
) -> Plan:
    """From an NHWC `source` to a `target`, rectified; `work` may fill the cells otherwise, from bias and weight with
    `padded` columns for each group."""
    p = gather_of(source[0], source[1:], target[1:], kernel, groups, h, w)
    inputs, outputs, taps = source[3] // groups, target[3] // groups, kernel[0] * kernel[1]
    row_step, column_step = (outputs * taps, taps) if adjoint else (taps, inputs * taps)
    padded = padded or round_up(outputs)
    _, packed_at, shared = rooms(groups * padded, groups * p.tap_rows.size * padded)
    _, rough_at, own = rooms(p.buffer, 0 if padded == outputs else p.most * padded)
    sizes = [groups, inputs, outputs, padded, inputs * outputs * taps, row_step, column_step, packed_at]
    sizes += [shared, own, rough_at, p.pieces]
    tables = (
        *(p.geometry, p.phases, p.runs, p.tap_rows, p.source, p.target),
        *(np.arange(p.most) * padded, p.places, np.array(sizes, np.intp), np.array([negative_slope], np.float32)),
    )
    return Plan(work, target, max(p.pieces, groups * inputs * outputs * taps // PACKED), shared, own, tables)


@njit(fastmath=FASTMATH)
def sum_up(x, start, source, count, taps, g, pixel, total, rough, both, groups, padded):
    """Adds to `total`, for each group, the products of `count` gathered rows with their rows of g."""
    columns, out_channels = both[1] // groups, both[1]
    for k in range(groups):
        a, b, c = start + k * (both[0] // groups), pixel + k * columns, k * taps.size * padded
        if padded == columns:
            accumulate_far(x, a, source, count, taps, g, b, out_channels, padded, total, c)
        else:
            for m in range(count):
                for j in range(0, columns, LANES):
                    vstore(rough, m * padded + j, load_vector(g, b + m * out_channels + j, columns - j, 0))
            accumulate_far(x, a, source, count, taps, rough, 0, padded, padded, total, c)


@task
def gather_weights(block, part, parts):
    """The sums of a part of the images."""
    x, g, room, geometry = floats(block, 0), floats(block, 1), floats(block, 3), integers(block, 4)
    source, tap_rows, sizes = integers(block, 5), integers(block, 6), integers(block, 8)
    padded, size, buffer_at, rough_at, own, pieces = several(sizes, 3, 6)
    mine = room[part * own :]
    total, buffer, rough = mine[:size], mine[buffer_at:], mine[rough_at:]
    bands, images, band, inside, height, width, channels, out_height, out_width, out_channels = several(geometry, 0, 10)
    row, rows, top, left, groups, cells, read, _ = several(geometry, 10, 8)
    zero_floats(total, 0, size)
    piece, last = pieces * part // parts, pieces * (part + 1) // parts
    while piece < last:
        image = piece // bands
        here = min(images, last - piece)
        q0 = piece % bands * band
        piece += here
        up = top + q0 * read
        count = here * (min(q0 + band, cells) - q0) * out_width
        which = x if inside else buffer
        start = ((image * height + up) * width + left) * channels if inside else 0
        if not inside:
            for i in range(here):
                to = i * rows * row * channels
                copy_band(x, image + i, height, width, channels, buffer, to, up, rows, left, row)
        pixel = (image * out_height + q0) * out_width * out_channels
        both = (channels, out_channels)
        sum_up(which, start, source, count, tap_rows, g, pixel, total, rough, both, groups, padded)


@task
def _add_sums(block, part, parts):
    """The weight's gradient, of what each part has summed up."""
    w, sums, places, sizes = floats(block, 2), floats(block, 3), integers(block, 7), integers(block, 8)
    groups, rows, columns, padded = several(sizes, 0, 4)
    own, taps = sizes[7], places.size
    for g in range(groups):
        column = 0
        while column < padded:
            width = panel_width(padded - column)
            panel = (g * padded + column) * taps * rows
            for row in range(rows * part // parts, rows * (part + 1) // parts):
                for tap in range(taps):
                    at = panel + (tap * rows + row) * width
                    for j in range(min(width, columns - column)):
                        value = sums[at + j]
                        for other in range(1, parts):
                            value += sums[other * own + at + j]
                        w[((g * columns + column + j) * rows + row) * taps + places[tap]] = value
            column += width


WEIGHT_GRADIENT = gather_weights.then(_add_sums)


def weight_plan(
    source: Shape,
    target: Shape,
    kernel: Pair,
    groups: int,
    h: Axis,
    w: Axis,
    work: task = WEIGHT_GRADIENT,
    padded: int = 0,
) -> Plan:
    """The gradient in the weight of a convolution from an NHWC `source` to a `target`; see `plan`."""
    p = gather_of(source[0], source[1:], target[1:], kernel, groups, h, w)
    inputs, outputs = source[3] // groups, target[3] // groups
    padded = padded or round_up(outputs)
    size = groups * p.tap_rows.size * padded
    _, buffer_at, rough_at, own = rooms(size, p.buffer, 0 if padded == outputs else p.most * padded)
    sizes = np.array([groups, inputs, outputs, padded, size, buffer_at, rough_at, own, p.pieces], np.intp)
    tables = (p.geometry, p.source, p.tap_rows, p.places, sizes)
    return Plan(work, (target[3], inputs, *kernel), p.pieces, 0, own, tables, max(1, SUMS // size))
