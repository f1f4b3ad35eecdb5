"""Convolution in float32 by implicit matrix products: any kernel, stride, padding, dilation, channels, groups.

Forward and input gradient are one routine, `gather`. Both fill a grid of *cells*: with q the cell and e the phase,

    forward          output oh = q            reads input rows   q s - p + i d        for every tap i
    input gradient   input  ih = q s + e - p  reads output rows  q - (i d - e) / s    for taps with i d = e (mod s)

(the same for columns), which is a matrix product of source pixels with the taps' weights, found through tables of
offsets (`gemm.multiply`). A thread copies the source rows it needs into a buffer with zero borders, a band of rows
of one image or several small images at a time. The weight gradient sums over the pixels of such bands, each
thread on its own; the threads' sums are added in a fixed order. Held by tests/kernels/test_convolution.py.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.gemm import DEPTH, accumulate, multiply, pack, round_up, unpack
from tinygen.kernels.cpu.launch import floats, integer, integers, launch, task
from tinygen.kernels.cpu.simd import FASTMATH, LANES, never_inline, njit, vload, vstore, vzero
from tinygen.kernels.cpu.threads import scratch, thread_count

Array = NDArray[np.float32]
Pair = tuple[int, int]
BUFFER = 1 << 18  # floats of source rows that a thread holds: a megabyte, the second-level cache
PHASE = 7  # numbers in a row of `Plan.phases`
CELLS = 256  # small images are taken together until there are as many cells as this


@dataclass(frozen=True)
class Axis:
    """One axis of a gather: cell q writes pixels q * write + shift; a tap reads q * read + base + offset."""

    cells: int
    first: int  # the first cell
    read: int
    base: int
    span: int  # pixels from the first to the last that one cell reads
    write: int
    phases: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]  # (shift, taps, their offsets, ascending)


def forward_axis(size: int, kernel: int, stride: int, padding: int, dilation: int, out: int) -> Axis:
    """The axis of a convolution: one phase."""
    taps = tuple(range(kernel))
    offsets = tuple(i * dilation for i in taps)
    return Axis(out, 0, stride, -padding, offsets[-1] + 1, 1, ((0, taps, offsets),))


def adjoint_axis(size: int, kernel: int, stride: int, padding: int, dilation: int, out: int) -> Axis:
    """The axis of the input gradient: as many phases as strides."""
    first, last = padding // stride, (size - 1 + padding) // stride
    reach = (kernel - 1) * dilation // stride
    phases = []
    for e in range(stride):
        taps = tuple(i for i in reversed(range(kernel)) if i * dilation % stride == e)
        phases.append((e - padding, taps, tuple(reach - i * dilation // stride for i in taps)))
    return Axis(last - first + 1, first, 1, -reach, reach + 1, stride, tuple(phases))


@dataclass(frozen=True)
class Plan:
    """The tables of one gather, for one shape of image."""

    bands: int  # per image
    images: int  # per unit of work; 1 unless an image is a single band
    buffer: int  # floats of source rows in a unit; 0 if the source is read in place
    most: int  # cells in the largest product
    geometry: NDArray[np.intp]  # the scalars the compiled loop needs
    phases: NDArray[
        np.intp
    ]  # per phase: row write offset, columns, table start, runs start, runs end, rows of weights, first of them
    source: NDArray[np.intp]
    target: NDArray[np.intp]
    runs: NDArray[np.intp]
    taps: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]  # per phase: taps of each axis, in weight order


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
def plan(source: tuple[int, int, int], target: tuple[int, int, int], groups: int, h: Axis, w: Axis, n: int) -> Plan:
    """Tables for images of `source` (H, W, C) to `target` (H, W, C), `n` images to share among the threads."""
    height, width, channels = source
    reach = (w.cells - 1) * w.read + w.span
    left, top = w.first * w.read + w.base, h.first * h.read + h.base
    rows = (h.cells - 1) * h.read + h.span
    inside = left >= 0 and top >= 0 and left + reach <= width and top + rows <= height
    row = width if inside else reach
    band = h.cells if inside else max(1, min(h.cells, (BUFFER // (row * channels) - h.span) // h.read + 1))
    band = min(band, max(1, 4 * CELLS // w.cells))
    bands = -(-h.cells // band)
    band = -(-h.cells // bands)
    rows = (band - 1) * h.read + h.span
    images = 1
    if bands == 1:
        images = min(n, -(-CELLS // (h.cells * w.cells)), max(1, BUFFER // (rows * row * channels)))
    stride = (height * width if inside else rows * row) * channels
    phases: list[list[int]] = []
    runs: list[int] = []
    sources, targets, taps = [], [], []
    start = most = weights = 0
    for up, row_taps, row_offsets in h.phases:
        for across, column_taps, column_offsets in w.phases:
            i = np.arange(h.first, h.first + h.cells)
            i = i[(i * h.write + up >= 0) & (i * h.write + up < target[0])][:band]
            j = np.arange(w.first, w.first + w.cells)
            j = j[(j * w.write + across >= 0) & (j * w.write + across < target[1])]
            offsets = [(a * row + b) * channels for a in row_offsets for b in column_offsets]
            run = _runs(offsets, channels // groups)
            depth = len(offsets) * (channels // groups)
            phases.append([up, j.size, start, len(runs), len(runs) + len(run), depth, weights])
            runs += run
            weights += depth
            taps.append((row_taps, column_taps))
            image, i, j = np.ix_(np.arange(images), np.arange(i.size), j)
            sources.append((image * stride + (i * h.read * row + (j - w.first) * w.read) * channels).ravel())
            there = (i * h.write * target[1] + j * w.write + across) * target[2]
            targets.append((image * target[0] * target[1] * target[2] + there).ravel())
            start += sources[-1].size
            most = max(most, sources[-1].size)
    geometry = [bands, images, band, int(inside), *source, *target, row, rows, top, left, groups]
    geometry += [h.cells, h.first, h.read, h.write]
    as_array = lambda values: np.ascontiguousarray(values, dtype=np.intp)
    return Plan(
        bands,
        images,
        0 if inside else images * rows * row * channels,
        most,
        as_array(geometry),
        as_array(phases),
        as_array(np.concatenate(sources)),
        as_array(np.concatenate(targets)),
        as_array(runs),
        tuple(taps),
    )


@njit(fastmath=FASTMATH, cache=True)
def copy_floats(x, start, buffer, to, count):
    """buffer[to : to + count] = x[start : start + count]."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        vstore(buffer, to + i, vload(x, start + i))
    for i in range(whole, count):
        buffer[to + i] = x[start + i]


@njit(fastmath=FASTMATH, cache=True)
def zero_floats(buffer, start, count):
    """buffer[start : start + count] = 0."""
    whole = count - count % LANES
    for i in range(0, whole, LANES):
        vstore(buffer, start + i, vzero())
    for i in range(whole, count):
        buffer[start + i] = np.float32(0)


@njit(fastmath=FASTMATH, cache=True)
def copy_band(x, image, height, width, channels, buffer, to, top, rows, left, row):
    """Rows top, ..., top + rows - 1 of an image, columns left, ..., left + row - 1; zero outside the image."""
    never_inline()
    first, last = max(left, 0), min(left + row, width)
    for r in range(rows):
        there = to + r * row * channels
        h = top + r
        if h < 0 or h >= height or last <= first:
            zero_floats(buffer, there, row * channels)
        else:
            zero_floats(buffer, there, (first - left) * channels)
            here = ((image * height + h) * width + first) * channels
            copy_floats(x, here, buffer, there + (first - left) * channels, (last - first) * channels)
            zero_floats(buffer, there + (last - left) * channels, (left + row - last) * channels)


@task
def _gather(block, part, parts):
    x, out, weight, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    geometry, phases, runs = integers(block, 4), integers(block, 5), integers(block, 6)
    source, target, dense = integers(block, 7), integers(block, 8), integers(block, 9)
    buffer_size, rough_size, n, units = (integer(block, 12), integer(block, 13), integer(block, 14), integer(block, 15))
    buffer = floats(block, 10)[part * buffer_size :]
    rough = floats(block, 11)[part * rough_size :]
    bands, images, band, inside, height, width, channels, out_height, out_width, out_channels = geometry[:10]
    row, rows, top, left, groups, cells, first, read, write = geometry[10:]
    columns = out_channels // groups
    padded = bias.size // groups
    for unit in range(units * part // parts, units * (part + 1) // parts):
        image = unit // bands * images
        here = min(images, n - image)
        q0 = first + unit % bands * band
        q1 = min(q0 + band, first + cells)
        up = top + (q0 - first) * read
        which = x if inside else buffer
        origin = ((image * height + up) * width + left) * channels if inside else 0
        if not inside:
            for i in range(here):
                to = i * rows * row * channels
                copy_band(x, image + i, height, width, channels, buffer, to, up, rows, left, row)
        for f in range(phases.size // PHASE):
            shift, across, table, run0, run1, depth, w_start = phases[f * PHASE : (f + 1) * PHASE]
            qa = max(q0, -(shift // write))
            qb = min(q1, (out_height - 1 - shift) // write + 1)
            count = here * max(qb - qa, 0) * across
            s, d, r = source[table:], target[table:], runs[run0:run1]
            start = origin + (qa - q0) * read * row * channels
            there = (image * out_height + qa * write + shift) * out_width * out_channels
            for g in range(groups):
                a = start + g * (channels // groups)
                b = (w_start * groups + g * depth) * padded
                c = there + g * columns
                if padded == columns:
                    multiply(which, a, s, count, r, weight, b, padded, out, c, d, bias, g * padded)
                else:
                    multiply(which, a, s, count, r, weight, b, padded, rough, g - g, dense, bias, g * padded)
                    for m in range(count):
                        to = c + d[m]
                        for j in range(columns):
                            out[to + j] = rough[m * padded + j]


def gather(x: Array, w: NDArray[Any], bias: NDArray[Any] | None, p: Plan, shape: tuple[int, ...]) -> Array:
    """NHWC source x, weight (groups, KH, KW, channels in, channels out) -> NHWC array of `shape`."""
    groups, columns = w.shape[0], w.shape[-1]
    padded = round_up(columns)
    weight = np.concatenate([pack(w[g][np.ix_(*taps)].reshape(-1, columns)) for taps in p.taps for g in range(groups)])
    start = np.zeros((groups, padded), np.float32)
    if bias is not None:
        start[:, :columns] = bias.reshape(groups, columns)
    out = np.empty(shape, np.float32)
    n = shape[0]
    units = -(-n // p.images) * p.bands
    threads = thread_count(units)
    buffers = scratch("convolution source", threads, p.buffer)
    roughs = scratch("convolution target", threads, 0 if padded == columns else p.most * padded)
    dense = np.arange(0 if padded == columns else p.most) * padded
    tables = (p.geometry, p.phases, p.runs, p.source, p.target, dense)
    sizes = (buffers.shape[1], roughs.shape[1], n, units)
    launch(_gather, threads, x, out, weight, start, *tables, buffers, roughs, *sizes)
    return out


@task
def _weight_grad(block, part, parts):
    x, g, geometry = floats(block, 0), floats(block, 1), integers(block, 2)
    source, tap_rows = integers(block, 3), integers(block, 4)
    size, buffer_size, rough_size = integer(block, 8), integer(block, 9), integer(block, 10)
    padded, n, units = integer(block, 11), integer(block, 12), integer(block, 13)
    total = floats(block, 5)[part * size : (part + 1) * size]
    buffer = floats(block, 6)[part * buffer_size :]
    rough = floats(block, 7)[part * rough_size :]
    bands, images, band, inside, height, width, channels, out_height, out_width, out_channels = geometry[:10]
    row, rows, top, left, groups, cells, _, read, _ = geometry[10:]
    columns = out_channels // groups
    zero_floats(total, 0, size)
    for unit in range(units * part // parts, units * (part + 1) // parts):
        image = unit // bands * images
        here = min(images, n - image)
        q0 = unit % bands * band
        up = top + q0 * read
        count = here * (min(q0 + band, cells) - q0) * out_width
        which = x if inside else buffer
        start = ((image * height + up) * width + left) * channels if inside else 0
        if not inside:
            for i in range(here):
                to = i * rows * row * channels
                copy_band(x, image + i, height, width, channels, buffer, to, up, rows, left, row)
        pixel = (image * out_height + q0) * out_width * out_channels
        for k in range(groups):
            a = start + k * (channels // groups)
            b = pixel + k * columns
            c = k * tap_rows.size * padded
            if padded == columns:
                accumulate(which, a, source, count, tap_rows, g, b, out_channels, padded, total, c)
            else:
                for m in range(count):
                    for j in range(columns):
                        rough[m * padded + j] = g[b + m * out_channels + j]
                    for j in range(columns, padded):
                        rough[m * padded + j] = np.float32(0)
                accumulate(which, a, source, count, tap_rows, rough, k - k, padded, padded, total, c)


def weight_grad(x: Array, g: Array, h: Axis, w: Axis, groups: int) -> Array:
    """NHWC image and output, the forward's axes -> (groups, KH, KW, C/groups, K/groups)."""
    n, channels, columns = x.shape[0], x.shape[-1] // groups, g.shape[-1] // groups
    p = plan(x.shape[1:], g.shape[1:], groups, h, w, n)
    row = int(p.geometry[10])
    tap_rows = np.concatenate(
        [(a * row + b) * x.shape[-1] + np.arange(channels) for a in h.phases[0][2] for b in w.phases[0][2]]
    )
    padded = round_up(columns)
    units = -(-n // p.images) * p.bands
    threads = thread_count(units)
    sums = scratch("convolution sums", threads, groups * tap_rows.size * padded)
    buffers = scratch("convolution source", threads, p.buffer)
    roughs = scratch("convolution target", threads, 0 if padded == columns else p.most * padded)
    tables = (p.geometry, p.source, tap_rows)
    sizes = (sums.shape[1], buffers.shape[1], roughs.shape[1], padded, n, units)
    launch(_weight_grad, threads, x, g, *tables, sums, buffers, roughs, *sizes)
    total = sums[:, : groups * tap_rows.size * padded].sum(axis=0).reshape(groups, -1)
    return np.stack([unpack(part, tap_rows.size, columns) for part in total]).reshape(
        groups, len(h.phases[0][1]), len(w.phases[0][1]), channels, columns
    )
