"""What is drawn is what was sampled: images in their colours, points where they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygen.training.pictures import can_draw, save_samples


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
