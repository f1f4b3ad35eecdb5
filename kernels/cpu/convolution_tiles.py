"""How Winograd's convolutions cut an image into tiles: of 4x4 outputs, in bands that one thread takes at a time.

The names S, T, V, M, U are those of convolution_winograd.py. Held by tests/kernels/test_convolution.py.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.convolution_layout import Axis, Image, Pair
from tinygen.kernels.cpu.cook_toom import TILE
from tinygen.kernels.cpu.gemm import DEPTH
from tinygen.kernels.cpu.simd import LANES

TILES = 49  # taken at a time
BAND, PLACED = 5, 5  # numbers in a row of `Tiling.bands`, of `Tiling.tiles`
# Places in `Tiling.geometry`: how much there is (units of work, images in one), the image, the result, the axes, where
# each component's tiles begin (two places each), and a row of tiles (its pixels, its tiles).
UNITS, IMAGES, HEIGHT, WIDTH, CHANNELS, OUT_HEIGHT, OUT_WIDTH, OUTPUTS, READ, WRITE, TOP, LEFT = range(12)
DOWN, ACROSS, PIXELS, WIDE = 12, 14, 16, 17
KINDS = ((True, False), (False, False), (False, True), (True, True))  # of tiles: short down, short across


def suits(channels: int, out_channels: int, kernel: Pair, stride: Pair, dilation: Pair, groups: int) -> bool:
    """Whether these routines can do it: square, undivided, full vectors of channels, 2 or 3 taps per stride."""
    s = stride[0]
    square = kernel[0] == kernel[1] and stride[1] == s and dilation == (1, 1) and groups == 1
    full = channels % LANES == 0 and out_channels % LANES == 0
    return square and full and s <= 2 and kernel[0] % s == 0 and kernel[0] // s in (2, 3)


def cut(cells: int) -> list[Pair]:
    """(first cell, cells) of the tiles along an axis: as few as can be, of TILE cells, the last ones of one less."""
    count = -(-cells // TILE)
    sizes = [TILE - (i >= cells - (TILE - 1) * count) for i in range(count)]
    return [(sum(sizes[:i]), size) for i, size in enumerate(sizes)]


def tiles_and_products(cells: tuple[int, ...], taps: int) -> Pair:
    """How many tiles cover `cells` of an image, and the products they take for each channel read and written."""
    h, w = (cut(c) for c in cells)
    return len(h) * len(w), prod(sum(size + taps - 1 for _, size in axis) for axis in (h, w))


def pays(channels: int, outputs: int, kernel: Pair, h: Axis, w: Axis) -> bool:
    """Whether it costs clearly less than the direct form; a transform costs as much as 15 products (measured)."""
    taps = kernel[0] // max(h.read, h.write)
    sources = h.read * w.read * channels
    tiles, products = tiles_and_products((h.cells, w.cells), taps)
    cost = products * sources * outputs + 15 * tiles * (TILE + taps - 1) ** 2 * (sources + outputs)
    return cost < 0.8 * taps**2 * h.cells * w.cells * sources * outputs


@dataclass(frozen=True)
class Tiling:
    """Sizes and tables of one convolution by tiles."""

    taps: int
    components: Pair  # read and written, along each axis
    pieces: int  # bands of tile rows, of all images
    most: int  # tiles, at most, in a unit of work
    lines: int  # floats of a row of tiles, transformed down its columns
    geometry: NDArray[np.intp]  # the scalars the compiled loop needs, in places that have names above
    bands: NDArray[np.intp]  # rows of them, and of tiles: see `bands_of`
    tiles: NDArray[np.intp]
    places: NDArray[np.intp]  # in the kernel's plane, of the taps (i, j) of each component read (p, q), written (e, f)
    v_table: NDArray[np.intp]  # where each tile's channels lie in a plane of V, and of M
    m_table: NDArray[np.intp]
    runs: NDArray[np.intp]  # of all the channels of V


def bands_of(high: list[Pair], wide: list[Pair], band: int) -> tuple[list[int], list[int]]:
    """Tables of the bands of `band` rows of tiles, and of the tiles, row after row.

    Of each band: its tiles, where the last three kinds below begin, where its tiles begin in their table. Of each tile:
    first cell down and across, cells down and across, its place in V and M. The last, TILE-th output along an axis
    alone needs the products at the point infinity of that axis: the short tiles, of TILE - 1 cells, do without them.
    In the order of `KINDS`, which the places follow, the tiles that need some point stand together.
    """
    bands: list[int] = []
    tiles: list[int] = []
    for start in range(0, len(high), band):
        rows = [[a, b, down, across] for a, down in high[start : start + band] for b, across in wide]
        kinds = [KINDS.index((down < TILE, across < TILE)) for _, _, down, across in rows]
        places = np.argsort(np.argsort(kinds, kind="stable"))
        bands += [len(rows), *np.searchsorted(np.sort(kinds), (1, 2, 3)).tolist(), len(tiles)]
        tiles += [number for tile, place in zip(rows, places.tolist()) for number in (*tile, place)]
    return bands, tiles


@lru_cache(maxsize=256)
def tiling_of(n: int, source: Image, target: Image, kernel: int, h: Axis, w: Axis) -> Tiling:
    """For `n` images of `source` to `target`."""
    read, write = h.read, h.write
    taps = kernel // max(read, write)
    high, wide = cut(h.cells), cut(w.cells)
    area = len(high) * len(wide)
    count = -(-area // TILES) if len(wide) <= TILES else len(high)
    bands, tiles = bands_of(high, wide, -(-len(high) // count))
    images = max(1, min(n, TILES // area)) if len(bands) == BAND else 1
    most = images * max(bands[::BAND])
    row = (wide[-1][0] + TILE - 1) * read + w.span
    geometry = [n * (len(bands) // BAND), images, *source, *target, read, write, h.base, w.base]
    for axis in (h, w):
        starts = [phase[1][0] for phase in axis.phases]  # where each component's tiles begin, after the first pixel
        geometry += [starts[0], starts[-1]]
    geometry += [row, len(wide)]
    down, across = (np.array([[phase[0][p::read] for phase in axis.phases] for p in range(read)]) for axis in (h, w))
    places = down[:, None, :, None, :, None] * kernel + across[None, :, None, :, None, :]
    sources = read * read * source[2]
    begins = np.arange(0, sources, DEPTH)
    return Tiling(
        taps,
        (read, write),
        geometry[UNITS],
        most,
        (TILE + taps - 1) * row * source[2],
        np.array(geometry, np.intp),
        np.array(bands, np.intp),
        np.array(tiles, np.intp),
        np.ascontiguousarray(places.reshape(-1), dtype=np.intp),
        np.arange(most) * sources,
        np.arange(most) * target[2],
        np.stack([begins, np.minimum(DEPTH, sources - begins)], axis=1).reshape(-1),
    )
