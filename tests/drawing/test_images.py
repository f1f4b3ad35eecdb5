"""An image grid: every pixel a square of its own grey, every image in its place."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygen.drawing.images import image_grid, to_pixels


@given(n=st.integers(1, 12), channels=st.sampled_from([1, 3]), height=st.integers(1, 9), width=st.integers(1, 9))
def test_every_pixel_of_every_image_is_a_square_in_its_place(n: int, channels: int, height: int, width: int) -> None:
    images = np.random.default_rng(n).uniform(-1, 1, (n, channels, height, width))
    grid = image_grid(images, side=64)
    columns = int(np.ceil(np.sqrt(n)))
    rows = int(np.ceil(n / columns))
    factor = max(1, 64 // max(rows * height, columns * width))
    gap = max(2, factor // 2)
    assert grid.shape == (rows * (height * factor + gap) + gap, columns * (width * factor + gap) + gap, 3)
    for index, pixels in enumerate(to_pixels(images)):
        top = gap + index // columns * (height * factor + gap)
        left = gap + index % columns * (width * factor + gap)
        tile = grid[top : top + height * factor, left : left + width * factor]
        squares = tile.reshape(height, factor, width, factor, 3)
        assert (squares == pixels[:, None, :, None]).all()


def test_the_range_is_black_to_white_rounded_to_nearest_and_clipped() -> None:
    values = np.array([-7.0, -1.0, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 0.999, 1.0, 9.0])
    assert to_pixels(values.reshape(1, 1, 1, -1))[0, 0, :, 0].tolist() == [0, 0, 0, 1, 255, 255, 255]
