"""Convolution in float32 by Winograd's minimal filtering, for kernels whose taps per stride are 2 or 3.

A 3x3 kernel at stride 1 is F(4x4, 3x3): 36 products where 144 would be. A 4x4 kernel at stride 2 is four 2x2 kernels,
one on each polyphase component of the image (forward) or making one component (input gradient): F(4x4, 2x2).
With S components read and T written along each axis, in the names of convolution_layout.Axis, for each one written

    source tiles  V[x] = B^T d B   (tiles, S S C)      U[x] = G g G^T   (S S C, K)      x = 1 ... n^2
    products      M[x] = V[x] U[x] (tiles, K)          outputs A^T M A

where d are the n x n pixels that a tile sees, g the r x r taps, n = 4 + r - 1, and A, B, G those of cook_toom.py. A few
tiles are done at a time, so that V and M stay in the second-level cache; what the next row of tiles reads and writes is
fetched from memory while this one is transformed. The weight gradient is the transpose:
G^T (sum over tiles V[x]^T (A dy A^T)[x]) G. Where 4 does not divide the outputs, the last tiles have 3 along an axis
and need fewer products: see convolution_tiles.py. Held by tests/kernels/test_convolution.py, the error bound too.
"""

from typing import Any

import numpy as np

from tinygen.kernels.cpu.compiled import njit, routine
from tinygen.kernels.cpu.convolution_layout import Axis, Pair, zero_floats
from tinygen.kernels.cpu.convolution_plan import PACKED, SUMS, Plan, Shape, rooms
from tinygen.kernels.cpu.convolution_tiles import (
    ACROSS,
    BAND,
    CHANNELS,
    DOWN,
    HEIGHT,
    LEFT,
    PIXELS,
    PLACED,
    READ,
    TOP,
    UNITS,
    WIDE,
    Tiling,
    tiling_of,
)
from tinygen.kernels.cpu.cook_toom import TILE, matrices, transform, transform_inside, transform_line, transform_part
from tinygen.kernels.cpu.gemm import accumulate, multiply, place
from tinygen.kernels.cpu.launch import floats, integers, several, task, variant
from tinygen.kernels.cpu.packing import transpose_tile
from tinygen.kernels.cpu.rows_copied import copy_floats
from tinygen.kernels.cpu.simd import FASTMATH, LANES, vload, vstore

APART = 16  # floats between the planes of V, M, U: planes a power of two apart would fall on one set of the caches

# In the tasks below these names stand for the transforms of one number of taps; see `_tasks`.
_down: Any = None
_along = _output = _weight = _gradient = _weight_back = _down
_taps = 0


def _block_size(taps: int) -> int:
    """What `_block_of_taps` takes of memory: a block and a line."""
    return rooms((taps + 1) * LANES * (LANES + 1))[-1]


@routine("f n n n n f f", FASTMATH)
def _block_of_taps(w, start, row_step, column_step, taps, block, line):
    """block[(r taps + t) LANES + j] = w[start + r row_step + j column_step + t] for r, j < LANES and all taps t.

    One of the steps is `taps`. The block has room for LANES more rows, `line` for (taps + 1) LANES floats.
    """
    if row_step == taps:
        for i in range(taps):
            transpose_tile(w, start + i * LANES, column_step, block, i * LANES * LANES, LANES)
    else:
        for r in range(LANES):
            copy_floats(w, start + r * row_step, line, 0, LANES * taps)
            for t in range(0, taps, LANES):
                transpose_tile(line, t, taps, block, (r * taps + t) * LANES, LANES)


@task
def _transform_weights(block, part, parts):
    """U, of a convolution's weight: its rows are the channels read, its columns those written."""
    w, u, places, sizes = floats(block, 1), floats(block, 4), integers(block, 12), integers(block, 13)
    taps, written, rows, columns, inputs, row_step, column_step, shared, own = several(sizes, 0, 9)
    n = TILE + _taps - 1
    plane = rows * columns + APART
    mine = u[shared + part * own :]
    line = mine[(taps + 1) * LANES * LANES :]
    blocks = inputs // LANES * (columns // LANES)
    for which in range(blocks * part // parts, blocks * (part + 1) // parts):
        row0, column = which // (columns // LANES) * LANES, which % (columns // LANES) * LANES
        _block_of_taps(w, row0 * row_step + column * column_step, row_step, column_step, taps, mine, line)
        for component in range(rows // inputs * written):
            first, down, across = _steps(places, component)
            for r in range(LANES):
                at = (r * taps + first) * LANES
                to = place(rows, columns, component // written * inputs + row0 + r, column)
                to += component % written * n * n * plane
                _weight(mine, at, down * LANES, across * LANES, u, to, n * plane, plane)


def _steps(places, component):
    """Of a component's taps: the first one's place in the kernel's plane, from row to row, from column to column."""
    first = places[component * _taps * _taps]
    return first, places[component * _taps * _taps + _taps] - first, places[component * _taps * _taps + 1] - first


def _source_tiles(x, lines, v, image, here, band, tiles, geometry, down, across, plane):
    """v = B^T d B for every tile of `here` images, a row of tiles at a time.

    B^T goes down all columns of the row first, from the image to n lines, zero beyond its sides: columns that two tiles
    share are done once, and memory is read in its order. What the row of tiles below needs is fetched meanwhile.
    """
    height, width, channels = several(geometry, HEIGHT, 3)
    read, left, row, wide = geometry[READ], geometry[LEFT], geometry[PIXELS], geometry[WIDE]
    n = TILE + _taps - 1
    step, line = read * width * channels, row * channels
    begin, end = max(left, 0), min(left + row, width)
    for t in range(0, here * band[0], wide):
        i, first = t // band[0], PLACED * (t % band[0])
        for p in range(read):
            top = geometry[TOP] + tiles[first] * read + down + p
            above = min(n, max(0, (read - 1 - top) // read))
            inside = max(above, min(n, (height - top + read - 1) // read))
            if above < inside:
                at, to = (((image + i) * height + top) * width + begin) * channels, (begin - left) * channels
                for k in range(0, (end - begin) * channels, LANES):
                    _down(x, at + k, step, above, inside, TILE * step, lines, to + k, line)
            else:
                zero_floats(lines, 0, n * line)
            for tile in range(first, first + PLACED * wide, PLACED):
                for q in range(read):
                    at = (tiles[tile + 1] * read + across + q) * channels
                    to = (((tiles[tile + 4] * here + i) * read + p) * read + q) * channels
                    for r in range(n - (tiles[tile + 2] < TILE)):  # short tiles do without the last line
                        for c in range(0, channels, LANES):
                            _along(lines, at + r * line + c, read * channels, 0, n, 0, v, to + r * n * plane + c, plane)


@njit(fastmath=FASTMATH)
def _needed(i, j, infinity, here, band):
    """(first, count) of the tiles that need their products at point (i, j), of which `infinity` is the last."""
    first = band[1] if i == infinity else 0
    last = band[2] if j == infinity else band[3] if i == infinity else band[0]
    return first * here, (last - first) * here


@task
def _forward(block, part, parts):
    """The tiles of a part of the images, from V to the result."""
    x, bias, out, u = floats(block, 0), floats(block, 2), floats(block, 3), floats(block, 4)
    geometry, bands, tiles = integers(block, 5), integers(block, 6), integers(block, 7)
    v_table, m_table, runs, zeros = integers(block, 8), integers(block, 9), integers(block, 10), floats(block, 11)
    sizes, slope = integers(block, 13), floats(block, 14)
    shared, own, v_at, m_at, v_plane, m_plane, bias_step = several(sizes, 7, 7)
    lines = u[shared + part * own :]
    v, m = lines[v_at:], lines[m_at:]
    pieces, images = several(geometry, UNITS, 2)
    channels, out_height, out_width, outputs, read, write = several(geometry, CHANNELS, 6)
    n = TILE + _taps - 1
    sources = read * read * channels
    down, across = write * out_width * outputs, write * outputs
    zero_floats(lines, 0, v_at)
    piece, last = pieces * part // parts, pieces * (part + 1) // parts
    while piece < last:
        image, which = piece // (bands.size // BAND), piece % (bands.size // BAND) * BAND
        band = bands[which : which + BAND]
        here = min(images, last - piece)
        piece += here
        mine = tiles[band[4] :]
        for component in range(write * write):
            e, f = component // write, component % write
            e_first, f_first = geometry[DOWN + e], geometry[ACROSS + f]
            _source_tiles(x, lines, v, image, here, band, mine, geometry, e_first, f_first, v_plane)
            for p in range(n * n):
                first, count = _needed(p // n, p % n, n - 1, here, band)
                a, c = p * v_plane + first * sources, p * m_plane + first * outputs
                b = (component * n * n + p) * (sources * outputs + APART)
                multiply(v, a, v_table, count, runs, u, b, outputs, m, c, m_table, zeros, 0)
            for t in range(here * band[0]):
                i = t // band[0]
                a, b, high, wide, tile = several(mine, PLACED * (t % band[0]), PLACED)
                h, w = a * write + e, b * write + f
                high, wide = min(high, (out_height - 1 - h) // write + 1), min(wide, (out_width - 1 - w) // write + 1)
                at, to = (tile * here + i) * outputs, (((image + i) * out_height + h) * out_width + w) * outputs
                own_bias = (image + i) * bias_step
                for k in range(0, outputs, LANES):
                    a, b, c = at + k, to + k, own_bias + k
                    _output(m, a, n * m_plane, m_plane, bias, c, slope, out, b, down, across, high, wide, TILE * down)


@task
def _weight_gradient(block, part, parts):
    """The sum over the tiles of a part of the images, before G."""
    x, g, room, geometry, bands = (
        floats(block, 0),
        floats(block, 1),
        floats(block, 3),
        integers(block, 4),
        integers(block, 5),
    )
    tiles, v_table, rows_table, sizes = integers(block, 6), integers(block, 7), integers(block, 8), integers(block, 10)
    own, lines_at, v_at, y_at, v_plane, y_plane = several(sizes, 4, 6)
    total = room[part * own :]
    lines, v, y = total[lines_at:], total[v_at:], total[y_at:]
    pieces, images = several(geometry, UNITS, 2)
    channels, out_height, out_width, outputs, read = several(geometry, CHANNELS, 5)
    n = TILE + _taps - 1
    sources, down = read * read * channels, out_width * outputs
    zero_floats(total, 0, v_at)
    piece, last = pieces * part // parts, pieces * (part + 1) // parts
    while piece < last:
        image, which = piece // (bands.size // BAND), piece % (bands.size // BAND) * BAND
        band = bands[which : which + BAND]
        here = min(images, last - piece)
        piece += here
        mine = tiles[band[4] :]
        _source_tiles(x, lines, v, image, here, band, mine, geometry, 0, 0, v_plane)
        for t in range(here * band[0]):
            i = t // band[0]
            a, b, high, wide, tile = several(mine, PLACED * (t % band[0]), PLACED)
            at = (((image + i) * out_height + a) * out_width + b) * outputs
            to = (tile * here + i) * outputs
            high, wide = min(high, out_height - a), min(wide, out_width - b)
            for k in range(0, outputs, LANES):
                _gradient(g, at + k, down, outputs, high, wide, TILE * down, y, to + k, n * y_plane, y_plane)
        for p in range(n * n):
            first, count = _needed(p // n, p % n, n - 1, here, band)
            a, b, c = p * v_plane + first * sources, p * y_plane + first * outputs, p * (sources * outputs + APART)
            accumulate(v, a, v_table, count, rows_table, y, b, outputs, outputs, total, c)


@task
def _transform_sums(block, part, parts):
    """The weight's gradient, of what each part has summed up."""
    w, sums, places, sizes = floats(block, 2), floats(block, 3), integers(block, 9), integers(block, 10)
    taps, rows, columns, inputs, own, lines_at = several(sizes, 0, 6)
    n = TILE + _taps - 1
    plane = rows * columns + APART
    mine = sums[part * own + lines_at :]
    blocks = inputs // LANES * (columns // LANES)
    for which in range(blocks * part // parts, blocks * (part + 1) // parts):
        row0, column = which // (columns // LANES) * LANES, which % (columns // LANES) * LANES
        for component in range(rows // inputs):
            first, down, across = _steps(places, component)
            for r in range(LANES):
                at = place(rows, columns, component * inputs + row0 + r, column)
                for other in range(1, parts):
                    for p in range(n * n):
                        here = at + p * plane
                        vstore(sums, here, vload(sums, here) + vload(sums, other * own + here))
                to = (r * taps + first) * LANES
                _weight_back(sums, at, n * plane, plane, mine, to, down * LANES, across * LANES)
        for i in range(taps):
            to = (column * inputs + row0) * taps + i * LANES
            transpose_tile(mine, i * LANES * LANES, LANES, w, to, inputs * taps)


def _tasks(taps: int) -> tuple[task, task]:
    """The convolution, and its gradient in the weight, for F(4x4, taps x taps)."""
    a, g, b = matrices(taps)
    names = {
        "_taps": taps,
        "_down": transform_line(b, far=True),  # B^T d, of the columns of an image
        "_along": transform_line(b),  # ... B, of the rows of that: V
        "_output": transform_inside(a),  # A^T M A
        "_weight": transform(g),  # G g G^T: U
        "_gradient": transform_part(a.T),  # A dy A^T
        "_weight_back": transform(g.T),  # G^T ... G
    }
    names["_steps"] = njit(fastmath=FASTMATH)(variant(_steps, f"_steps_{taps}", **names))
    names["_source_tiles"] = routine("f f f n n i i i n n n", FASTMATH)(
        variant(_source_tiles, f"_source_tiles_{taps}", **names)
    )
    stages = (_transform_weights, _forward, _weight_gradient, _transform_sums)
    weights, forward, gradient, sums = (t.variant(f"{t.function.__name__}_{taps}", **names) for t in stages)
    return weights.then(forward), gradient.then(sums)


TASKS = {taps: _tasks(taps) for taps in (2, 3)}


def _sizes(p: Tiling, channels: int, outputs: int) -> tuple[int, int, int, int]:
    """Rows of U, what its planes take together, a plane of V, one of M."""
    rows, points = p.components[0] ** 2 * channels, (TILE + p.taps - 1) ** 2
    return rows, points * (rows * outputs + APART), p.most * rows + APART, p.most * outputs + APART


def plan(
    source: Shape,
    target: Shape,
    kernel: Pair,
    h: Axis,
    w: Axis,
    negative_slope: float,
    adjoint: bool,
    of_each: bool,
) -> Plan:
    """From an NHWC `source` to a `target`, with a bias for all images or `of_each`, rectified."""
    p = tiling_of(source[0], source[1:], target[1:], kernel[0], h, w)
    inputs, outputs, taps = source[3], target[3], kernel[0] ** 2
    rows, planes, v_plane, m_plane = _sizes(p, inputs, outputs)
    points, written = (TILE + p.taps - 1) ** 2, p.components[1] ** 2
    _, shared = rooms(written * planes)
    _, v_at, m_at, own = rooms(p.lines, points * v_plane, points * m_plane)
    steps = (outputs * taps, taps) if adjoint else (taps, inputs * taps)
    own = max(own, _block_size(taps))
    bias_step = outputs if of_each else 0
    sizes = [taps, written, rows, outputs, inputs, *steps, shared, own, v_at, m_at, v_plane, m_plane, bias_step]
    tables = (
        *(p.geometry, p.bands, p.tiles, p.v_table, p.m_table, p.runs, np.zeros(outputs, np.float32)),
        *(p.places, np.array(sizes, np.intp), np.array([negative_slope], np.float32)),
    )
    units = max(p.pieces, inputs * outputs * taps // PACKED)
    return Plan(TASKS[p.taps][0], target, units, shared, own, tables, of_each=of_each)


def weight_plan(source: Shape, target: Shape, kernel: Pair, h: Axis, w: Axis) -> Plan:
    """The gradient in the weight of a convolution from an NHWC `source` to a `target`."""
    p = tiling_of(source[0], source[1:], target[1:], kernel[0], h, w)
    channels, outputs, taps = source[3], target[3], kernel[0] ** 2
    rows, size, v_plane, y_plane = _sizes(p, channels, outputs)
    points = (TILE + p.taps - 1) ** 2
    _, lines_at, v_at, y_at, own = rooms(size, p.lines, points * v_plane, points * y_plane)
    own = max(own, lines_at + _block_size(taps))
    sizes = [taps, rows, outputs, channels, own, lines_at, v_at, y_at, v_plane, y_plane]
    of_sums = (p.geometry, p.bands, p.tiles, p.v_table, np.arange(rows), p.places, np.array(sizes, np.intp))
    shape = (outputs, channels, *kernel)
    return Plan(TASKS[p.taps][1], shape, p.pieces, 0, own, of_sums, max(1, SUMS // size))
