"""What a report shows: every drawing is of the model, in the ranges that drawings have."""

import numpy as np
import pytest

from tinygen import data
from tinygen.drawing import ImageRows, Maps, Scatter
from tinygen.gan import pictures
from tinygen.gan.variants import CGANConfig, DCGANConfig, GANConfig, WGANGPConfig
from tinygen.random import Generator

SMALL = {"latent": 4, "channels": 4, "hidden": (8,)}


def test_images_show_interpolations_and_latent_arithmetic():
    model = DCGANConfig(**SMALL).build((1, 8, 8), 10, Generator(0)).eval()
    between, ink = model.drawings(data.load("digits", "test"), Generator(1))
    assert isinstance(between, ImageRows)
    assert between.images.shape == (pictures.ROWS, pictures.COLUMNS, 1, 8, 8)
    assert "straight" in between.caption  # the prior is uniform
    assert ink.images.shape == (3, pictures.COLUMNS, 1, 8, 8)
    assert ink.names == ("minus", "z", "plus")
    brightness = ink.images.mean((1, 2, 3, 4))
    assert brightness[0] < brightness[1] < brightness[2]


def test_a_conditional_model_shows_each_style_in_every_class():
    model = CGANConfig(**SMALL, prior="normal").build((1, 8, 8), 10, Generator(0)).eval()
    between, grid = model.drawings(data.load("digits", "test"), Generator(1))
    assert "great circle" in between.caption
    assert grid.images.shape == (pictures.ROWS, 10, 1, 8, 8)
    assert not np.allclose(grid.images[0, 0], grid.images[0, 1])
    assert not np.allclose(grid.images[0, 0], grid.images[1, 0])


@pytest.mark.parametrize("config", [GANConfig, WGANGPConfig])
def test_points_show_samples_beside_data_and_the_discriminator_over_the_plane(config):
    points = data.load("ring8", "test")
    model = config(**SMALL).build((2,), 8, Generator(0)).eval()
    scatter, maps = model.drawings(points, Generator(1))
    assert isinstance(scatter, Scatter)
    assert [group.shape for group in scatter.groups.values()] == [(pictures.POINTS, 2)] * 2
    assert isinstance(maps, Maps)
    assert all(values.shape == (pictures.SIDE, pictures.SIDE) for values in maps.values.values())
    assert ("D* = p / (p + q)" in maps.values) == (config is GANConfig)


def test_the_first_row_of_a_map_is_the_lowest_ordinate():
    model = GANConfig(**SMALL).build((2,), None, Generator(0)).eval()
    model.discriminate = lambda x, cond=None: x[:, 1]
    values = next(iter(model.drawings(data.load("ring8", "test"), Generator(1))[1].values.values()))
    assert values[0].max() < 0.5 < values[-1].min()
