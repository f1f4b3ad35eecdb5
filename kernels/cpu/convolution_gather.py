"""Which rows of source pixels and of weights a convolution multiplies: the tables behind convolution_direct.py.

Each phase of the cells in convolution_layout.py is a matrix product of source pixels with the weights of its taps. A
thread copies the source rows it needs into a buffer with zero borders, a band of rows of one image or several small
images at a time, unless no border is needed. Held by tests/kernels/test_convolution.py.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.convolution_layout import Axis, Image, Pair
from tinygen.kernels.cpu.gemm import DEPTH

BUFFER = 1 << 18  # floats of source rows that a thread holds: a megabyte, the second-level cache
CELLS = 256  # small images are taken together until there are as many cells as this
PHASE = 7  # numbers in a row of `Gather.phases`


@dataclass(frozen=True)
class Gather:
    """The tables of one gather, for one shape of image."""

    pieces: int  # bands of all images
    buffer: int  # floats of source rows in a unit of work; 0 if the source is read in place
    most: int  # cells in the largest product
    geometry: NDArray[np.intp]  # the scalars the compiled loop needs
    # Rows of: phase of rows, columns, start in the tables, runs from, to, rows of weights, weights from.
    phases: NDArray[np.intp]
    source: NDArray[np.intp]
    target: NDArray[np.intp]
    runs: NDArray[np.intp]
    places: NDArray[np.intp]  # in the kernel's plane, of each phase's taps
    tap_rows: NDArray[np.intp]  # offset in the source of each row of the weights: of each tap and channel


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
def gather_of(n: int, source: Image, target: Image, kernel: Pair, groups: int, h: Axis, w: Axis) -> Gather:
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

    def table(values: Any) -> NDArray[np.intp]:
        return np.ascontiguousarray(values, dtype=np.intp).reshape(-1)

    return Gather(
        n * bands,
        0 if inside else images * rows * row * channels,
        most,
        table(geometry),
        table(phases),
        table(np.concatenate(sources)),
        table(np.concatenate(targets)),
        table(runs),
        table(places),
        table(tap_rows),
    )
