"""A drawing shows what it holds: pixels untouched, colours where the values are, readable on any page."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygen.drawing import Bars, Curves, Drawing, ImageRows, Maps, Paths, Scatter, Stretch, Timeline
from tinygen.drawing.images import image_grid
from tinygen.drawing.render import COLOURS, INK, caption_of, render

RNG = np.random.default_rng(0)
DRAWINGS: list[Drawing] = [
    ImageRows("rows", RNG.uniform(-1, 1, (2, 3, 1, 4, 4)), ("original", "again")),
    Scatter("groups", {name: RNG.normal(size=(20, 2)) for name in "abcdefghijklm"}),
    Maps("maps", {"model": RNG.uniform(size=(5, 5)), "truth": RNG.uniform(size=(7, 7))}, (-1.0, 2.0)),
    Paths("paths", RNG.normal(size=(4, 6, 2))),
    Bars("bars", RNG.uniform(size=100), "code", "times used", {"even": 0.5}),
    Curves("curves", np.arange(5.0), {"bound": np.arange(5.0), "limit": np.ones(5)}, "k", "nats"),
    Timeline(
        "time", {"": (Stretch(3, 9, "all"),), "parts": (Stretch(3, 4, "a", "x"), Stretch(4, 9, "b"))}, ("x",), "ms"
    ),
]


def picture(drawing: Drawing) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(render(drawing))).convert("RGBA"))


def name(drawing: Drawing) -> str:
    return type(drawing).__name__


@pytest.mark.parametrize("drawing", DRAWINGS, ids=name)
def test_every_kind_is_drawn_on_no_ground_and_fits_a_page(drawing: Drawing, tmp_path: Path) -> None:
    pixels = picture(drawing)
    assert pixels.shape[1] <= 1800
    assert pixels[0, 0, 3] == 0 or isinstance(drawing, ImageRows)
    assert (pixels[..., 3] == 255).any()
    path = tmp_path / "drawing.png"
    path.write_bytes(render(drawing))
    assert caption_of(path) == drawing.caption


def test_images_keep_every_pixel() -> None:
    images = RNG.uniform(-1, 1, (2, 3, 3, 4, 5))
    pixels = picture(ImageRows("rows", images))[..., :3]
    factor = next(f for f in range(1, 400) if image_grid(images.reshape(6, 3, 4, 5), 3, 15 * f).shape == pixels.shape)
    assert np.array_equal(pixels, image_grid(images.reshape(6, 3, 4, 5), 3, 15 * factor))


def test_names_stand_beside_their_rows() -> None:
    pixels = picture(ImageRows("rows", np.zeros((2, 3, 1, 8, 8)), ("above", "")))
    beside = pixels[:, :200, 3] > 0
    middle = len(beside) // 2
    assert beside[:middle].any()
    assert not beside[middle:].any()


def test_the_first_row_of_a_map_is_the_lowest() -> None:
    values = np.zeros((2, 2))
    values[0, 1] = 1.0  # right, below: the brightest colour of the scale is yellow
    pixels = picture(Maps("map", {"only": values}, (0.0, 1.0))).astype(int)
    bright = np.argwhere((pixels[..., 0] > 240) & (pixels[..., 1] > 220) & (pixels[..., 2] < 60))
    inside = bright[bright[:, 1] < 0.8 * pixels.shape[1]]  # left of the scale
    assert inside[:, 0].min() > 0.45 * pixels.shape[0]
    assert inside[:, 1].min() > 0.35 * pixels.shape[1]


@pytest.mark.parametrize("ground", [(255, 255, 255), (0x14, 0x17, 0x1C)])
def test_ink_has_three_times_the_contrast_of_either_page(ground: tuple[int, int, int]) -> None:
    """WCAG 2.1, 1.4.11: what is needed to understand a graphic."""

    def luminance(rgb: tuple[int, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(rgb) / 255]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    ink = tuple(bytes.fromhex(INK[1:]))
    high, low = sorted([luminance(ink), luminance(ground)], reverse=True)
    assert (high + 0.05) / (low + 0.05) > 3


@pytest.mark.parametrize(
    "wrong",
    [
        ImageRows("", np.zeros((2, 1, 4, 4))),
        Scatter("", {"a": np.zeros((3, 3))}),
        Maps("", {"a": np.zeros(3)}, (0.0, 1.0)),
        Paths("", np.zeros((3, 2))),
        Bars("", np.zeros((3, 2))),
        Curves("", np.zeros(3), {"a": np.zeros(4)}),
    ],
    ids=name,
)
def test_an_array_of_another_shape_is_named(wrong: Drawing) -> None:
    with pytest.raises(ValueError, match=r"render: an array of shape \(.*\) is needed, found \("):
        render(wrong)


def test_a_timeline_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="render: a timeline has at least one stretch"):
        render(Timeline("", {"empty": ()}))


def test_a_stretch_has_the_colour_of_its_group_in_its_place() -> None:
    lanes = {"a": (Stretch(0, 1, "", "x"), Stretch(1, 4, "", "y")), "b": (Stretch(0, 4, ""),)}
    pixels = picture(Timeline("", lanes, ("y", "x"))).astype(int)
    first, second = (
        np.argwhere((np.abs(pixels[..., :3] - bytes_of(colour)) < 3).all(-1) & (pixels[..., 3] == 255))
        for colour in COLOURS[:2]
    )
    y, x = (places[places[:, 0] < pixels.shape[0] / 2] for places in (first, second))  # above the legend
    assert len(y) == pytest.approx(3 * len(x), rel=0.05)
    assert x[:, 1].max() <= y[:, 1].min()


def bytes_of(colour: str) -> np.ndarray:
    return np.array(list(bytes.fromhex(colour[1:])))
