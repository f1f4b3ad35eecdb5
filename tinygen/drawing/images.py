"""Images as one picture: a grid in which every pixel is a crisp square. Images are (N, C, H, W) in [-1, 1]."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

SIDE = 1024
"""Images are enlarged by the greatest whole factor that keeps the grid's longer side near this many pixels."""
GROUND = 128


def image_grid(images: npt.NDArray, columns: int | None = None, side: int = SIDE) -> Pixels:
    """(N, C, H, W) in [-1, 1], C = 1 or 3, as one (rows, columns, 3) picture, as square as N allows.

    Every pixel becomes a square of whole pixels; between the images is a gap of half such a square.
    """
    n, _, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    factor = max(1, side // max(rows * height, columns * width))
    tiles = to_pixels(images).repeat(factor, axis=1).repeat(factor, axis=2)
    gap, tall, wide = max(2, factor // 2), height * factor, width * factor
    grid = np.full((rows * (tall + gap) + gap, columns * (wide + gap) + gap, 3), GROUND, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = gap + index // columns * (tall + gap), gap + index % columns * (wide + gap)
        grid[top : top + tall, left : left + wide] = tile
    return grid


def to_pixels(images: npt.NDArray) -> Pixels:
    """(N, C, H, W) in [-1, 1] as (N, H, W, C) in 0..255, rounded to nearest; what lies outside is clipped."""
    levels = np.rint((np.clip(images, -1, 1) + 1) * 127.5)
    return np.nan_to_num(levels).astype(np.uint8).transpose(0, 2, 3, 1)


def save_pixels(path: Path, pixels: Pixels) -> None:
    """(H, W, 3) in 0..255 as a PNG."""
    from PIL import Image

    Image.fromarray(pixels).save(path, format="PNG", optimize=True)
