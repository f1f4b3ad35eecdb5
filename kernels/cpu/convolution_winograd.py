"""Convolution in float32 by Winograd's minimal filtering, for kernels whose taps per stride are 2 or 3.

A 3x3 kernel at stride 1 is F(4x4, 3x3): 36 products where 144 would be. A 4x4 kernel at stride 2 is four 2x2 kernels,
one on each polyphase component of the image (forward) or making one component (input gradient): F(4x4, 2x2).
With S components read and T written along each axis, in the names of convolution_layout.Axis, for each one written

    source tiles  V[x] = B^T d B   (tiles, S S C)      U[x] = G g G^T   (S S C, K)      x = 1 ... n^2
    products      M[x] = V[x] U[x] (tiles, K)          outputs A^T M A

a few tiles at a time, so that V and M stay in the second-level cache. The weight gradient is the transpose:
G^T (sum over tiles V[x]^T (A dy A^T)[x]) G. Held by tests/kernels/test_convolution.py, the error bound too.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.convolution_direct import SUMS
from tinygen.kernels.cpu.convolution_layout import Array, Axis, Image, Pair, copy_band, zero_floats
from tinygen.kernels.cpu.cook_toom import TILE, matrices, transform, transform_inside
from tinygen.kernels.cpu.gemm import DEPTH, START, accumulate, multiply, place
from tinygen.kernels.cpu.launch import floats, integer, integers, launch, task, variant
from tinygen.kernels.cpu.simd import FASTMATH, LANES, never_inline, njit, vload, vstore
from tinygen.kernels.cpu.threads import scratch, thread_count

TILES = 49  # taken at a time


def suits(channels: int, out_channels: int, kernel: Pair, stride: Pair, dilation: Pair, groups: int) -> bool:
    """Whether these routines can do it: square, undivided, full vectors of channels, 2 or 3 taps per stride."""
    s = stride[0]
    square = kernel[0] == kernel[1] and stride[1] == s and dilation == (1, 1) and groups == 1
    full = channels % LANES == 0 and out_channels % LANES == 0
    return square and full and s <= 2 and kernel[0] % s == 0 and kernel[0] // s in (2, 3)


def pays(channels: int, outputs: int, kernel: Pair, h: Axis, w: Axis) -> bool:
    """Whether it costs clearly less than the direct form; a transform costs as much as 20 products (measured)."""
    taps = kernel[0] // max(h.read, h.write)
    sources = h.read * w.read * channels
    tiles = -(-h.cells // TILE) * -(-w.cells // TILE)
    cost = tiles * (TILE + taps - 1) ** 2 * (sources * outputs + 20 * (sources + outputs))
    return cost < 0.8 * taps**2 * h.cells * w.cells * sources * outputs


# In the tasks below these names stand for the transforms of one number of taps; see `_variants`.
_input: Any = None
_output = _weight = _gradient = _weight_back = _input
_taps = 0


@task
def _transform_weights(block, part, parts):
    w, u, small, places = floats(block, 0), floats(block, 1), floats(block, 2), integers(block, 3)
    written, rows, columns, inputs = integer(block, 4), integer(block, 5), integer(block, 6), integer(block, 7)
    row_step, column_step, small_size = integer(block, 8), integer(block, 9), integer(block, 10)
    taps = _taps * _taps
    n = TILE + _taps - 1
    mine = part * small_size
    plane = rows * columns
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        for column in range(0, columns, LANES):
            for component in range(written):
                first = (row // inputs * written + component) * taps
                for lane in range(LANES):
                    at = row % inputs * row_step + (column + lane) * column_step
                    for tap in range(taps):
                        small[mine + tap * LANES + lane] = w[at + places[first + tap]]
                to = component * n * n * plane + place(rows, columns, row, column)
                _weight(small, mine, _taps * LANES, LANES, u, to, n * plane, plane)


def _source_tiles(buffer, v, down, across, here, rows, geometry, plane):
    """v = B^T d B for every tile of `here` images, read from (down, across) on in the buffer of source rows."""
    never_inline()
    channels, wide, read = geometry[6], geometry[11], geometry[12]
    row, deep = geometry[20], (rows * TILE - 1) * read + geometry[21]
    n = TILE + _taps - 1
    for t in range(here * rows * wide):
        i, a, b = t // wide // rows, t // wide % rows, t % wide
        corner = (i * deep + a * TILE * read + down) * row + b * TILE * read + across
        for p in range(read * read):
            at = (corner + p // read * row + p % read) * channels
            to = (t * read * read + p) * channels
            for c in range(0, channels, LANES):
                _input(buffer, at + c, read * row * channels, read * channels, v, to + c, n * plane, plane)


@njit(fastmath=FASTMATH, cache=True)
def _source_rows(x, buffer, image, here, a0, rows, geometry):
    """Copy the source rows of tile rows a0, ..., of `here` images, to the buffer."""
    never_inline()
    height, width, channels, read = geometry[4], geometry[5], geometry[6], geometry[12]
    row, deep = geometry[20], (rows * TILE - 1) * read + geometry[21]
    for i in range(here):
        to = i * deep * row * channels
        up = geometry[14] + a0 * TILE * read
        copy_band(x, image + i, height, width, channels, buffer, to, up, deep, geometry[15], row)


@task
def _forward(block, part, parts):
    x, out, u, bias, zeros = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3), floats(block, 4)
    geometry, v_table, m_table, runs = integers(block, 5), integers(block, 6), integers(block, 7), integers(block, 8)
    buffer_size, v_size, m_size = integer(block, 12), integer(block, 13), integer(block, 14)
    buffer = floats(block, 9)[part * buffer_size :]
    v = floats(block, 10)[part * v_size :]
    m = floats(block, 11)[part * m_size :]
    pieces, images, bands, band = geometry[:4]
    channels, out_height, out_width, outputs, high, wide, read, write = geometry[6:14]
    cells_h, cells_w = geometry[22], geometry[23]
    n = TILE + _taps - 1
    sources = read * read * channels
    v_plane, m_plane = v_size // (n * n), m_size // (n * n)
    down, across = write * out_width * outputs, write * outputs
    piece, last = pieces * part // parts, pieces * (part + 1) // parts
    while piece < last:
        image, a0 = piece // bands, piece % bands * band
        here, rows = min(images, last - piece), min(band, high - a0)
        piece += here
        count = here * rows * wide
        _source_rows(x, buffer, image, here, a0, rows, geometry)
        for component in range(write * write):
            e, f = component // write, component % write
            _source_tiles(buffer, v, geometry[16 + e], geometry[18 + f], here, rows, geometry, v_plane)
            for p in range(n * n):
                b = (component * n * n + p) * sources * outputs
                multiply(v, p * v_plane, v_table, count, runs, u, b, outputs, m, p * m_plane, m_table, zeros, START)
            for t in range(count):
                a, b = (a0 + t // wide % rows) * TILE, t % wide * TILE
                h, w = a * write + e, b * write + f
                down_to = min(cells_h - a, (out_height - 1 - h) // write + 1)
                across_to = min(cells_w - b, (out_width - 1 - w) // write + 1)
                to = (((image + t // wide // rows) * out_height + h) * out_width + w) * outputs
                for k in range(0, outputs, LANES):
                    at = t * outputs + k
                    _output(m, at, n * m_plane, m_plane, bias, k, out, to + k, down, across, down_to, across_to)


@task
def _weight_gradient(block, part, parts):
    x, g, geometry = floats(block, 0), floats(block, 1), integers(block, 2)
    v_table, rows_table = integers(block, 3), integers(block, 4)
    size, buffer_size, v_size = integer(block, 10), integer(block, 11), integer(block, 12)
    g_size, y_size = integer(block, 13), integer(block, 14)
    total = floats(block, 5)[part * size :]
    buffer = floats(block, 6)[part * buffer_size :]
    v = floats(block, 7)[part * v_size :]
    g_buffer = floats(block, 8)[part * g_size :]
    y = floats(block, 9)[part * y_size :]
    pieces, images, bands, band = geometry[:4]
    channels, out_height, out_width, out_channels, high, wide, read = geometry[6:13]
    n = TILE + _taps - 1
    sources = read * read * channels
    v_plane, y_plane = v_size // (n * n), y_size // (n * n)
    row = TILE * wide
    zero_floats(total, 0, n * n * sources * out_channels)
    piece, last = pieces * part // parts, pieces * (part + 1) // parts
    while piece < last:
        image, a0 = piece // bands, piece % bands * band
        here, rows = min(images, last - piece), min(band, high - a0)
        piece += here
        count = here * rows * wide
        _source_rows(x, buffer, image, here, a0, rows, geometry)
        _source_tiles(buffer, v, START, START, here, rows, geometry, v_plane)
        for i in range(here):
            to = i * rows * TILE * row * out_channels
            copy_band(
                g, image + i, out_height, out_width, out_channels, g_buffer, to, a0 * TILE, rows * TILE, a0 - a0, row
            )
        for t in range(count):
            at = (t // wide * row + t % wide) * TILE * out_channels
            for k in range(0, out_channels, LANES):
                to = t * out_channels + k
                _gradient(g_buffer, at + k, row * out_channels, out_channels, y, to, n * y_plane, y_plane)
        for p in range(n * n):
            c = p * sources * out_channels
            accumulate(v, p * v_plane, v_table, count, rows_table, y, p * y_plane, out_channels, out_channels, total, c)


@task
def _finish_weight_gradient(block, part, parts):
    sums, w, small, table = floats(block, 0), floats(block, 1), floats(block, 2), integers(block, 3)
    rows, columns, inputs, copies = integer(block, 4), integer(block, 5), integer(block, 6), integer(block, 7)
    row_stride, column_stride, small_size = integer(block, 8), integer(block, 9), integer(block, 10)
    size = integer(block, 11)
    taps = _taps * _taps
    n = TILE + _taps - 1
    mine = part * small_size
    plane = rows * columns
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        for column in range(0, columns, LANES):
            at = place(rows, columns, row, column)
            for other in range(1, copies):
                for p in range(n * n):
                    here = at + p * plane
                    vstore(sums, here, vload(sums, here) + vload(sums, other * size + here))
            _weight_back(sums, at, n * plane, plane, small, mine, _taps * LANES, LANES)
            for lane in range(LANES):
                to = row % inputs * row_stride + (column + lane) * column_stride
                for tap in range(taps):
                    w[to + table[row // inputs * taps + tap]] = small[mine + tap * LANES + lane]


def _variants(taps: int) -> tuple[task, task, task, task]:
    """The four tasks for F(4x4, taps x taps)."""
    a, g, b = matrices(taps)
    names = {
        "_taps": taps,
        "_input": transform(b),
        "_output": transform_inside(a),
        "_weight": transform(g),
        "_gradient": transform(a.T),
        "_weight_back": transform(g.T),
    }
    names["_source_tiles"] = njit(fastmath=FASTMATH, cache=True)(
        variant(_source_tiles, f"_source_tiles_{taps}", **names)
    )
    return (
        _transform_weights.variant(f"_transform_weights_{taps}", **names),
        _forward.variant(f"_forward_{taps}", **names),
        _weight_gradient.variant(f"_weight_gradient_{taps}", **names),
        _finish_weight_gradient.variant(f"_finish_weight_gradient_{taps}", **names),
    )


TASKS = {taps: _variants(taps) for taps in (2, 3)}


@dataclass(frozen=True)
class Plan:
    """Sizes and tables of one convolution by tiles."""

    taps: int
    components: Pair  # read and written, along each axis
    pieces: int  # bands of tile rows, of all images
    tiles: int  # at most, in a unit of work
    source: int  # floats of source rows in a unit
    geometry: NDArray[np.intp]
    places: NDArray[np.intp]  # in the kernel's plane, of the taps (i, j) of each component read (p, q), written (e, f)
    v_table: NDArray[np.intp]  # where each tile's channels lie in a plane of V, and of M
    m_table: NDArray[np.intp]
    runs: NDArray[np.intp]  # of all the channels of V
    rows: NDArray[np.intp]


@lru_cache(maxsize=256)
def plan(n: int, source: Image, target: Image, kernel: int, h: Axis, w: Axis) -> Plan:
    """For `n` images of `source` to `target`."""
    read, write = h.read, h.write
    taps = kernel // max(read, write)
    high, wide = -(-h.cells // TILE), -(-w.cells // TILE)
    bands = -(-high * wide // TILES) if wide <= TILES else high
    band = -(-high // bands)
    bands = -(-high // band)
    images = max(1, min(n, TILES // (high * wide))) if bands == 1 else 1
    tiles = images * band * wide
    rows, row = (band * TILE - 1) * read + h.span, (wide * TILE - 1) * read + w.span
    geometry = [n * bands, images, bands, band, *source, *target, high, wide, read, write, h.base, w.base]
    for axis in (h, w):
        starts = [phase[1][0] for phase in axis.phases]  # where each component's tiles begin, after the first pixel
        geometry += [starts[0], starts[-1]]
    geometry += [row, h.span, h.cells, w.cells]
    down, across = (np.array([[phase[0][p::read] for phase in axis.phases] for p in range(read)]) for axis in (h, w))
    places = down[:, None, :, None, :, None] * kernel + across[None, :, None, :, None, :]
    sources = read * read * source[2]
    begins = np.arange(0, sources, DEPTH)
    return Plan(
        taps,
        (read, write),
        n * bands,
        tiles,
        images * rows * row * source[2],
        np.array(geometry, np.intp),
        np.ascontiguousarray(places.reshape(-1), dtype=np.intp),
        np.arange(tiles) * sources,
        np.arange(tiles) * target[2],
        np.stack([begins, np.minimum(DEPTH, sources - begins)], axis=1).reshape(-1),
        np.arange(sources),
    )


def _transformed(w: Array, p: Plan, adjoint: bool) -> Array:
    """U for the weight (K, C, kernel, kernel): its rows are the channels read, its columns those written."""
    outputs, inputs = w.shape[:2]
    column_step, row_step = w.shape[1] * w.shape[2] * w.shape[3], w.shape[2] * w.shape[3]
    if adjoint:
        outputs, inputs, column_step, row_step = inputs, outputs, row_step, column_step
    read, write = p.components
    rows = read * read * inputs
    threads = thread_count(w.size, 1 << 14)
    u = scratch("convolution weights", 1, (TILE + p.taps - 1) ** 2 * write * write * rows * outputs)
    small = scratch("convolution taps", threads, p.taps**2 * LANES)
    sizes = (write * write, rows, outputs, inputs, row_step, column_step, small.shape[1])
    launch(TASKS[p.taps][0], threads, w, u, small, p.places, *sizes)
    return u


def _scratch_tiles(name: str, threads: int, p: Plan, channels: int) -> Array:
    """n^2 planes of tiles by channels; a cache line more, for planes a power of two apart fall on one set."""
    return scratch(name, threads, (TILE + p.taps - 1) ** 2 * (p.tiles * channels + 16))


def convolve(x: Array, w: Array, bias: NDArray[Any] | None, p: Plan, shape: tuple[int, ...], adjoint: bool) -> Array:
    """NHWC source x, weight (K, C, kernel, kernel) -> NHWC array of `shape`."""
    u = _transformed(w, p, adjoint)
    threads = thread_count(p.pieces)
    buffers = scratch("convolution source", threads, p.source)
    v = _scratch_tiles("convolution source tiles", threads, p, p.components[0] ** 2 * x.shape[3])
    m = _scratch_tiles("convolution target tiles", threads, p, shape[3])
    zeros = np.zeros(shape[3], np.float32)
    bias = zeros if bias is None else np.ascontiguousarray(bias, dtype=np.float32)
    out = np.empty(shape, np.float32)
    tables = (p.geometry, p.v_table, p.m_table, p.runs)
    launch(
        TASKS[p.taps][1],
        threads,
        x,
        out,
        u,
        bias,
        zeros,
        *tables,
        buffers,
        v,
        m,
        *(a.shape[1] for a in (buffers, v, m)),
    )
    return out


def weight_grad(x: Array, g: Array, p: Plan) -> Array:
    """NHWC image and output, the forward's plan -> (K, C, kernel, kernel)."""
    channels, outputs = x.shape[3], g.shape[3]
    kernel = p.taps * p.components[0]
    rows = p.components[0] ** 2 * channels
    size = (TILE + p.taps - 1) ** 2 * rows * outputs
    threads = min(thread_count(p.pieces), max(1, SUMS // size))
    sums = scratch("convolution sums", threads, size)
    buffers = scratch("convolution source", threads, p.source)
    v = _scratch_tiles("convolution source tiles", threads, p, rows)
    g_buffers = scratch("convolution target", threads, p.tiles * TILE * TILE * outputs)
    y = _scratch_tiles("convolution target tiles", threads, p, outputs)
    arrays = (sums, buffers, v, g_buffers, y)
    launch(TASKS[p.taps][2], threads, x, g, p.geometry, p.v_table, p.rows, *arrays, *(a.shape[1] for a in arrays))
    w = np.empty((outputs, channels, kernel, kernel), np.float32)
    parts = thread_count(w.size, 1 << 14)
    small = scratch("convolution taps", parts, p.taps**2 * LANES)
    steps = (kernel * kernel, channels * kernel * kernel)
    sizes = (rows, outputs, channels, threads, *steps, small.shape[1], sums.shape[1])
    launch(TASKS[p.taps][3], parts, sums, w, small, p.places, *sizes)
    return w
