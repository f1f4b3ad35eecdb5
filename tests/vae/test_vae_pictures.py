"""What the autoencoders show: examples beside themselves, codes where they are, one coordinate a row."""

import numpy as np
import pytest

from tinygen import data
from tinygen.drawing import ImageRows, Scatter
from tinygen.random import Generator
from tinygen.training.registry import config_class
from tinygen.vae.pictures import COLUMNS, ROWS, code_map, square_of_quantiles, walks

HELD_OUT = data.load("digits", "test")


def drawings_of(name, dataset=HELD_OUT, **options):
    model = config_class(name)(hidden=(8,), **options).build(dataset.shape, len(dataset.classes), Generator(0))
    model.eval()
    return model.drawings(dataset, Generator(1))


@pytest.mark.parametrize("name", ["ae", "vae", "cvae"])
def test_images_are_shown_above_their_reconstructions(name):
    first, *rest = drawings_of(name)
    assert first.names == ("original", "reconstruction")
    np.testing.assert_array_equal(first.images[0], HELD_OUT.x[:COLUMNS])
    assert first.images.shape == (2, COLUMNS, 1, 8, 8)
    assert [type(drawing) for drawing in rest] == ([Scatter] if name == "ae" else [ImageRows, Scatter])


def test_a_denoising_autoencoder_shows_what_it_was_given():
    first, _ = drawings_of("ae", noise=0.5)
    assert first.names == ("original", "noised", "denoised")
    assert np.std(first.images[1] - first.images[0]) == pytest.approx(0.5, rel=0.1)


def test_points_are_shown_with_their_reconstructions_in_the_plane():
    moons = data.load("two_moons", "test")
    both, codes = drawings_of("vae", moons)
    assert set(both.groups) == {"original", "reconstruction"}
    assert set(codes.groups) == {"upper", "lower"}


def test_a_conditional_one_decodes_every_code_for_every_class():
    _, grid, _ = drawings_of("cvae")
    assert grid.images.shape == (ROWS, 10, 1, 8, 8)
    assert np.ptp(grid.images, axis=1).max() > 0


def test_codes_of_a_plane_are_mapped_as_they_are_and_by_class():
    codes = np.random.default_rng(0).normal(size=(300, 2))
    (drawn,) = code_map(codes, HELD_OUT)
    for k, name in enumerate(HELD_OUT.classes):
        np.testing.assert_array_equal(drawn.groups[name], codes[HELD_OUT.y[:300] == k])
    assert code_map(codes[:, :1], HELD_OUT) == []


def test_more_dimensions_are_mapped_along_the_axes_of_greatest_variance():
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    codes = rng.normal(size=(300, 5)) * [3.0, 2.0, 0.1, 0.1, 0.1]
    (drawn,) = code_map(codes @ turn, HELD_OUT)
    mapped = np.concatenate(list(drawn.groups.values()))
    assert mapped.std(axis=0) == pytest.approx(codes[:, :2].std(axis=0), rel=0.02)
    assert "100% of their variance" in drawn.caption


def test_a_walk_moves_one_coordinate_a_row_in_the_order_given():
    code, order = np.arange(4.0), np.array([2, 0, 3, 1])
    found = walks(code, order)
    for row, coordinate in enumerate(order):
        moved = np.ptp(found[row], axis=0) > 0
        assert moved.tolist() == (np.arange(4) == coordinate).tolist()
        assert found[row, [0, -1], coordinate].tolist() == [-3, 3]


def test_the_plane_of_codes_has_equal_probability_a_cell_and_the_highest_row_first():
    plane = square_of_quantiles(4)
    assert plane[0, :, 0] == pytest.approx([-1.150349, -0.318639, 0.318639, 1.150349], abs=1e-6)  # of 1/8, 3/8, ...
    assert plane[:, 0, 1] == pytest.approx(plane[0, ::-1, 0])
