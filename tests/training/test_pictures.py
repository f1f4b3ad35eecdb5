"""What is drawn is what was sampled: every pixel a square of its own grey, every image in its place."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinygen.training.pictures import can_draw, image_grid, save_samples, to_pixels


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


def test_colours_keep_their_channels(tmp_path: Path) -> None:
    red = np.full((1, 3, 2, 2), -1.0)
    red[:, 0] = 1
    picture = np.asarray(Image.open(save_samples(tmp_path / "a" / "red.png", red, (-1, 1))))
    assert picture[picture.shape[0] // 2, picture.shape[1] // 2].tolist() == [255, 0, 0]


def test_points_are_drawn_where_they_are(tmp_path: Path) -> None:
    points = np.full((50, 2), 0.0)
    points[:, 0] = 0.9
    picture = np.asarray(Image.open(save_samples(tmp_path / "p.png", points, (-1.0, 1.0))).convert("L"), float)
    dark = np.argwhere(picture < 250).mean(0) / picture.shape[:2]
    assert dark == pytest.approx([0.5, (0.9 + 1.2) / 2.4], abs=0.01)


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    assert [can_draw(shape) for shape in [(1, 8, 8), (3, 8, 8), (2,), (2, 8, 8), (3,)]] == [True] * 3 + [False] * 2
    with pytest.raises(ValueError, match=r"\(5,\) are neither images .* nor points"):
        save_samples(tmp_path / "p.png", np.zeros((3, 5)), (0, 1))
    assert list(tmp_path.iterdir()) == []
