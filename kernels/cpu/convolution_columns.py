"""Convolution in float32 to few channels: a product whose lanes are pixels, then a sum along the taps (col2im).

K output channels, fewer than the lanes of a vector, would leave most of them idle. Pixels are many: the image is
transposed, some pixels at a time, so that the lanes are pixels, and

    cols[(i, j, k), p] = sum_c w[k, c, i, j] x[p, c]      y[cell, k] = bias[k] + sum_ij cols[(i, j, k), pixel it sees]

The input gradient is the same with the roles of K and C exchanged; which pixels a cell sees is an `Axis`'s to say. A
few images at a time, whole in one thread. Held by tests/kernels/test_convolution.py.
"""

import numpy as np

from tinygen.kernels.cpu.compiled import njit
from tinygen.kernels.cpu.convolution_layout import Axis, Pair
from tinygen.kernels.cpu.convolution_plan import Plan, Shape, rooms
from tinygen.kernels.cpu.gemm import DEPTH, WIDEST, multiply, round_up
from tinygen.kernels.cpu.launch import floats, integers, several, task
from tinygen.kernels.cpu.packing import pack_transposed
from tinygen.kernels.cpu.rectifier import lowered
from tinygen.kernels.cpu.simd import FASTMATH, LANES, vfill, vload, vstore, vwhere_less, vzero

BLOCK = WIDEST * LANES  # pixels transposed at a time: a panel, which stays in the first-level cache
PIXELS = 512  # small images are taken together up to this many
PHASE = 8  # numbers in a row of `Plan.phases`


def suits(source: Shape, target: Shape, taps: int, h: Axis, w: Axis) -> bool:
    """Whether this costs less than the direct form; source and target are NHWC.

    In multiply-adds of a vector; to transpose a pixel's channel costs as much as 10 of its products (measured).
    """
    if target[3] >= LANES or source[0] == 1 or max(h.read, w.read) > 1 or taps == 1:
        return False
    rows = taps * target[3]
    columns = source[1] * source[2] * source[3] * (rows + 10) + 6 * rows * h.cells * w.cells
    return columns < h.cells * w.cells * taps * source[3] * LANES


@njit(fastmath=FASTMATH)
def _sum_taps(line, wide, start, slope, cols, at, pitch, h, height, width, taps, bounds, inside, cells):
    """line[:wide] = a row of cells: start + the sum of what the taps see, from row h of the image on, rectified.

    `at` is the place in `cols`, for the first tap, of what lies `left` of the image's first pixel.
    """
    row0, row1, column0, column1 = bounds
    for v in range(0, wide, LANES):
        total = vfill(start)
        for i in range(row0, row1):
            row = h + taps[2 * i]
            if row >= 0 and row < height:
                here = at + taps[2 * i + 1] * pitch + row * width + v
                for j in range(column0, column1):
                    across = taps[2 * j]
                    value = vload(cols, here + taps[2 * j + 1] * pitch + across)
                    total = total + vwhere_less(vzero(), vload(inside, across * cells + v), value, vzero())
        vstore(line, v, vwhere_less(total, vzero(), lowered(total, slope), total))


@task
def _turn(block, part, parts):
    """The weight as (KH KW, channels written, channels read)."""
    w, weight, sizes = floats(block, 1), floats(block, 4), integers(block, 12)
    taps, outputs, inputs, row_step, column_step = several(sizes, 0, 5)
    for k in range(outputs * part // parts, outputs * (part + 1) // parts):
        for tap in range(taps):
            for c in range(inputs):
                weight[(tap * outputs + k) * inputs + c] = w[k * column_step + c * row_step + tap]


@task
def _columns(block, part, parts):
    """The cells of a part of the images."""
    x, bias, out, weight = floats(block, 0), floats(block, 2), floats(block, 3), floats(block, 4)
    geometry, phases, taps, inside = integers(block, 5), integers(block, 6), integers(block, 7), floats(block, 8)
    source, target, runs = integers(block, 9), integers(block, 10), integers(block, 11)
    sizes, zeros, slope = integers(block, 12), floats(block, 13), vfill(floats(block, 14)[0])
    shared, turned_at, line_at, own = several(sizes, 5, 4)
    cols = weight[shared + part * own :]
    turned, line = cols[turned_at:], cols[line_at:]
    n, height, width, channels, out_height, out_width, outputs, images, pitch, before = several(geometry, 0, 10)
    top, left, write_h, write_w, cells = several(geometry, 10, 5)
    plane = height * width
    pieces = -(-n // images)
    for piece in range(pieces * part // parts, pieces * (part + 1) // parts):
        first = piece * images
        here = min(images, n - first)
        for p in range(0, here * plane, BLOCK):
            count = min(BLOCK, here * plane - p)
            wide = -(-count // LANES) * LANES
            pack_transposed(x, (first * plane + p) * channels, channels, count, channels, turned)
            to = before + p
            multiply(weight, 0, source, source.size, runs, turned, 0, wide, cols, to, target, zeros, 0)
        for f in range(0, phases.size, PHASE):
            row_phase, column_phase, high, wide, row0, row1, column0, column1 = several(phases, f, 8)
            bounds = (row0, row1, column0, column1)
            for row in range(here * high):
                image, q = row // high, row % high
                to = ((first + image) * out_height + q * write_h + row_phase) * out_width + column_phase
                for k in range(outputs):
                    at = before + left + k * pitch + image * plane
                    h = q + top
                    _sum_taps(
                        line, wide, bias[k], slope, cols, at, pitch, h, height, width, taps, bounds, inside, cells
                    )
                    for v in range(wide):
                        out[(to + v * write_w) * outputs + k] = line[v]


CONVOLVE = _turn.then(_columns)


def plan(source: Shape, target: Shape, kernel: Pair, h: Axis, w: Axis, negative_slope: float, adjoint: bool) -> Plan:
    """From an NHWC `source` to a `target`, rectified."""
    n, height, width, channels = source
    outputs, area = target[3], kernel[0] * kernel[1]
    images = min(n, max(1, PIXELS // (height * width)))
    pitch, cells, rows = round_up(images * height * width), round_up(w.cells), area * outputs
    before = max(0, -w.base)  # a vector of cells may see places ahead of the first pixel, or behind the last
    phases: list[int] = []
    taps: list[int] = []
    for e, row_taps in enumerate(h.phases):
        for f, column_taps in enumerate(w.phases):
            bounds = [len(taps) // 2]
            for (which, offsets), apart in ((row_taps, kernel[1]), (column_taps, 1)):
                taps += [value for i, offset in zip(which, offsets) for value in (offset, i * apart * outputs)]
                bounds.append(len(taps) // 2)
            high, wide = -(-(target[1] - e) // h.write), -(-(target[2] - f) // w.write)
            phases += [e, f, high, wide, bounds[0], bounds[1], bounds[1], bounds[2]]
    column = np.arange(cells) + w.base + np.arange(w.span)[:, None]
    begins = np.arange(0, channels, DEPTH)
    geometry = [*source, *target[1:], images, pitch, before, h.base, w.base, h.write, w.write, cells]
    _, shared = rooms(rows * channels)
    _, turned_at, line_at, own = rooms(before + rows * pitch + max(0, w.base) + w.span + cells, BLOCK * channels, cells)
    steps = (outputs * area, area) if adjoint else (area, channels * area)
    tables = (
        np.array(geometry, np.intp),  # the scalars the compiled loop needs
        np.array(phases, np.intp),  # rows of: phase, cells, of rows and columns; taps from, to of rows, of columns
        np.array(taps, np.intp),  # of an axis, rows of: offset of the pixel, rows of `cols` from the first
        ((column >= 0) & (column < width)).astype(np.float32).reshape(-1),  # 1 where the image has the pixel
        np.arange(rows) * channels,
        np.arange(rows) * pitch,
        np.stack([begins, np.minimum(DEPTH, channels - begins)], axis=1).reshape(-1),
        np.array([area, outputs, channels, *steps, shared, turned_at, line_at, own], np.intp),
        np.zeros(BLOCK, np.float32),
        np.array([negative_slope], np.float32),
    )
    return Plan(CONVOLVE, target, -(-n // images), shared, own, tables)
