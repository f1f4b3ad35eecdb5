"""Convolution in float32 by implicit matrix products: any kernel, stride, padding, dilation, channels, groups.

Each phase of the cells in convolution_layout.py is a matrix product of source pixels with the weights of its taps,
found through tables of offsets (`gemm.multiply`): forward and input gradient are one routine. A thread copies the
source rows it needs into a buffer with zero borders, a band of rows of one image or several small images at a time.
The weight gradient sums over the pixels of such bands, each thread on its own; the threads' sums are added in a fixed
order. Held by tests/kernels/test_convolution.py.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.compiled import njit
from tinygen.kernels.cpu.convolution_layout import Array, Axis, Image, Pair, copy_band, zero_floats
from tinygen.kernels.cpu.gemm import DEPTH, accumulate_far, multiply_far, panel_width, round_up
from tinygen.kernels.cpu.launch import Arguments, floats, integer, integers, launch, several, task
from tinygen.kernels.cpu.rectifier import rectify
from tinygen.kernels.cpu.simd import FASTMATH
from tinygen.kernels.cpu.threads import scratch, thread_count

BUFFER = 1 << 18  # floats of source rows that a thread holds: a megabyte, the second-level cache
CELLS = 256  # small images are taken together until there are as many cells as this
SUMS = 1 << 26  # floats that the threads' sums for a weight gradient may take together
PHASE = 7  # numbers in a row of `Plan.phases`


@dataclass(frozen=True)
class Plan:
    """The tables of one gather, for one shape of image."""

    pieces: int  # bands of all images
    buffer: int  # floats of source rows in a unit of work; 0 if the source is read in place
    most: int  # cells in the largest product
    geometry: NDArray[np.intp]  # the scalars the compiled loop needs
    # Rows of: phase of rows, columns, start in the tables, runs from, to, rows of weights, weights from.
    phases: NDArray[np.intp]
    source: NDArray[np.intp]
    target: NDArray[np.intp]
    dense: NDArray[np.intp]
    runs: NDArray[np.intp]
    places: NDArray[np.intp]  # in the kernel's plane, of each phase's taps
    tap_rows: NDArray[np.intp]  # offset in the source of each row of the weights: of each tap and channel

    @cached_property
    def of_product(self) -> Arguments:
        """What `gather` reads."""
        return self.geometry, self.phases, self.runs, self.tap_rows, self.source, self.target, self.dense

    @cached_property
    def of_sums(self) -> Arguments:
        """What `gather_weights` reads."""
        return self.geometry, self.source, self.tap_rows


def _runs(offsets: list[int], length: int) -> list[int]:
    """(offset, length) pairs that cover `length` elements at each offset, in order; adjacent ones joined."""
    joined: list[list[int]] = []
    for offset in offsets:
        if joined and sum(joined[-1]) == offset and joined[-1][1] + length <= DEPTH:
            joined[-1][1] += length
        else:
            joined += [[offset + s, min(DEPTH, length - s)] for s in range(0, length, DEPTH)]
    return [value for pair in joined or [[0, 0]] for value in pair]


@lru_cache(maxsize=256)
def plan(n: int, source: Image, target: Image, kernel: Pair, groups: int, h: Axis, w: Axis) -> Plan:
    """Tables for `n` images of `source` to `target`."""
    height, width, channels = source
    reach = (w.cells - 1) * w.read + w.span
    rows = (h.cells - 1) * h.read + h.span
    inside = w.base >= 0 and h.base >= 0 and w.base + reach <= width and h.base + rows <= height
    row = width if inside else reach
    band = h.cells if inside else max(1, min(h.cells, (BUFFER // (row * channels) - h.span) // h.read + 1))
    band = min(band, max(1, 4 * CELLS // w.cells))
    bands = -(-h.cells // band)
    band = -(-h.cells // bands)
    bands = -(-h.cells // band)
    rows = (band - 1) * h.read + h.span
    images = 1
    if bands == 1:
        images = min(n, -(-CELLS // (h.cells * w.cells)), max(1, BUFFER // (rows * row * channels)))
    stride = (height * width if inside else rows * row) * channels
    phases: list[list[int]] = []
    runs: list[int] = []
    places: list[int] = []
    sources, targets, tap_rows = [], [], []
    inputs = channels // groups
    start = most = weights = 0
    for e, (row_taps, row_offsets) in enumerate(h.phases):
        for f, (column_taps, column_offsets) in enumerate(w.phases):
            i = np.arange(min(band, -(-(target[0] - e) // h.write)))
            j = np.arange(-(-(target[1] - f) // w.write))
            offsets = [(a * row + b) * channels for a in row_offsets for b in column_offsets]
            run = _runs(offsets, inputs)
            depth = len(offsets) * inputs
            phases.append([e, j.size, start, len(runs), len(runs) + len(run), depth, weights])
            runs += run
            weights += depth
            places += [a * kernel[1] + b for a in row_taps for b in column_taps]
            tap_rows += [offset + c for offset in offsets for c in range(inputs)]
            image, i, j = np.ix_(np.arange(images), np.arange(i.size), j)
            sources.append((image * stride + (i * h.read * row + j * w.read) * channels).ravel())
            there = (i * h.write * target[1] + j * w.write + f) * target[2]
            targets.append((image * target[0] * target[1] * target[2] + there).ravel())
            start += sources[-1].size
            most = max(most, sources[-1].size)
    geometry = [bands, images, band, inside, *source, *target, row, rows, h.base, w.base, groups]
    geometry += [h.cells, h.read, h.write]
    padded = round_up(target[2] // groups)

    def table(values: Any) -> NDArray[np.intp]:
        return np.ascontiguousarray(values, dtype=np.intp).reshape(-1)

    return Plan(
        n * bands,
        0 if inside else images * rows * row * channels,
        most,
        table(geometry),
        table(phases),
        table(np.concatenate(sources)),
        table(np.concatenate(targets)),
        np.arange(most) * padded,
        table(runs),
        table(places),
        table(tap_rows),
    )


@task
def _pack_weights(block, part, parts):
    w, packed, phases, places = floats(block, 0), floats(block, 1), integers(block, 2), integers(block, 3)
    groups, rows, columns, padded = integer(block, 4), integer(block, 5), integer(block, 6), integer(block, 7)
    group_step, row_step, column_step = integer(block, 8), integer(block, 9), integer(block, 10)
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
                for j in range(columns):
                    out[to + j] = rough[m * padded + j]


@task
def gather(block, part, parts):
    x, out, weight, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    geometry, phases, runs, tap_rows = integers(block, 4), integers(block, 5), integers(block, 6), integers(block, 7)
    source, target, dense = integers(block, 8), integers(block, 9), integers(block, 10)
    buffer_size, rough_size, pieces = integer(block, 13), integer(block, 14), integer(block, 15)
    slope = floats(block, 16)
    buffer = floats(block, 11)[part * buffer_size :]
    rough = floats(block, 12)[part * rough_size :]
    bands, images, band, inside, height, width, channels, out_height, out_width, out_channels = several(geometry, 0, 10)
    row, rows, top, left, groups, _, read, write = several(geometry, 10, 8)
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


def convolve(
    x: Array,
    w: Array,
    bias: NDArray[Any] | None,
    negative_slope: float,
    p: Plan,
    shape: tuple[int, ...],
    groups: int,
    adjoint: bool,
) -> Array:
    """NHWC source x, weight (K, C/groups, KH, KW), bias -> NHWC array of `shape`, negative results times a slope."""
    outputs, inputs = w.shape[0] // groups, w.shape[1]
    row_step, column_step = w.shape[2] * w.shape[3], w.shape[1] * w.shape[2] * w.shape[3]
    group_step = outputs * column_step
    if adjoint:
        outputs, inputs, row_step, column_step = inputs, outputs, column_step, row_step
    padded = round_up(outputs)
    packed = scratch("convolution weights", 1, groups * p.tap_rows.size * padded)
    steps = (group_step, row_step, column_step)
    threads = thread_count(w.size, 1 << 14)
    launch(_pack_weights, threads, w, packed, p.phases, p.places, groups, inputs, outputs, padded, *steps)
    start = np.zeros((groups, padded), np.float32)
    if bias is not None:
        start[:, :outputs] = bias.reshape(groups, outputs)
    rough = 0 if padded == outputs else p.most * padded
    return run_gather(gather, x, packed, start, negative_slope, p, shape, rough)


def run_gather(
    work: task,
    x: Array,
    packed: Array,
    bias: Array,
    negative_slope: float,
    p: Plan,
    shape: tuple[int, ...],
    rough: int = 0,
) -> Array:
    """`gather`, or a variant of it that fills the cells otherwise: the NHWC array of `shape`."""
    out = np.empty(shape, np.float32)
    threads = thread_count(p.pieces)
    buffers = scratch("convolution source", threads, p.buffer)
    roughs = scratch("convolution target", threads, rough)
    sizes = (buffers.shape[1], roughs.shape[1], p.pieces)
    slope = np.array([negative_slope], np.float32)
    launch(work, threads, x, out, packed, bias, p.of_product, buffers, roughs, *sizes, slope)
    return out


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
                for j in range(columns):
                    rough[m * padded + j] = g[b + m * out_channels + j]
                for j in range(columns, padded):
                    rough[m * padded + j] = np.float32(0)
            accumulate_far(x, a, source, count, taps, rough, 0, padded, padded, total, c)


@task
def gather_weights(block, part, parts):
    x, g, geometry = floats(block, 0), floats(block, 1), integers(block, 2)
    source, tap_rows = integers(block, 3), integers(block, 4)
    size, apart, buffer_size, rough_size = integer(block, 8), integer(block, 9), integer(block, 10), integer(block, 11)
    padded, pieces = integer(block, 12), integer(block, 13)
    total = floats(block, 5)[part * apart : part * apart + size]
    buffer = floats(block, 6)[part * buffer_size :]
    rough = floats(block, 7)[part * rough_size :]
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
def _finish_weight_grad(block, part, parts):
    sums, w, places = floats(block, 0), floats(block, 1), integers(block, 2)
    size, copies, groups, rows = integer(block, 3), integer(block, 4), integer(block, 5), integer(block, 6)
    columns, padded = integer(block, 7), integer(block, 8)
    taps = places.size
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
                        for other in range(1, copies):
                            value += sums[other * size + at + j]
                        w[((g * columns + column + j) * rows + row) * taps + places[tap]] = value
            column += width


def weight_grad(x: Array, g: Array, p: Plan, kernel: Pair, groups: int) -> Array:
    """NHWC image and output, the forward's plan -> (K, C/groups, KH, KW)."""
    channels, columns = x.shape[3] // groups, g.shape[3] // groups
    padded = round_up(columns)
    size = groups * p.tap_rows.size * padded
    sums = run_gather_weights(gather_weights, x, g, p, size, padded, 0 if padded == columns else p.most * padded)
    w = np.empty((g.shape[3], channels, *kernel), np.float32)
    shapes = (sums.shape[1], len(sums), groups, channels, columns, padded)
    launch(_finish_weight_grad, thread_count(w.size, 1 << 14), sums, w, p.places, *shapes)
    return w


def run_gather_weights(
    work: task, x: Array, g: Array, p: Plan, size: int, padded: int = 0, rough: int = 0
) -> NDArray[np.float32]:
    """`gather_weights`, or a variant of it that sums up otherwise: the sums of each thread (threads, size or more)."""
    threads = min(thread_count(p.pieces), max(1, SUMS // size))
    sums = scratch("convolution sums", threads, size)
    buffers = scratch("convolution source", threads, p.buffer)
    roughs = scratch("convolution target", threads, rough)
    sizes = (size, sums.shape[1], buffers.shape[1], roughs.shape[1], padded, p.pieces)
    launch(work, threads, x, g, p.of_sums, sums, buffers, roughs, *sizes)
    return sums
