"""Latents: laws, ways from one to another, arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.gan import latent
from tinygen.random import Generator

ends = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=(2, 3, 8)))


@given(pair=ends, spherical=st.booleans())
def test_an_interpolation_starts_and_ends_where_it_is_told(pair, spherical):
    a, b = map(tg.tensor, pair)
    way = latent.interpolate(a, b, 5, spherical)
    assert way.shape == (5, 3, 8)
    np.testing.assert_allclose(way[0], a, atol=1e-12)
    np.testing.assert_allclose(way[4], b, atol=1e-12)


@given(pair=ends)
def test_on_the_great_circle_length_and_angle_grow_evenly(pair):
    way = latent.interpolate(*map(tg.tensor, pair), 6).numpy()
    lengths = np.linalg.norm(way, axis=-1)
    np.testing.assert_allclose(np.diff(lengths, n=2, axis=0), 0, atol=1e-12)
    units = way / lengths[..., None]
    cosines = (units[1:] * units[:-1]).sum(-1)
    np.testing.assert_allclose(cosines, np.broadcast_to(cosines[0], cosines.shape), atol=1e-12)


def test_no_great_circle_leads_to_the_same_or_the_opposite_point():
    a = tg.tensor(np.ones((1, 4)))
    np.testing.assert_allclose(latent.interpolate(a, a, 3)[1], a)
    np.testing.assert_allclose(latent.interpolate(a, -a, 3)[1], 0 * a, atol=1e-12)
    with pytest.raises(ValueError, match="interpolate takes 2 steps at least, both ends, not 1"):
        latent.interpolate(a, a, 1)


def test_arithmetic_is_on_means():
    z = latent.arithmetic(tg.ones(2, 3), tg.tensor([[1.0, 2, 3], [3, 2, 1]]), tg.tensor([[1.0, 1, 1]]))
    np.testing.assert_array_equal(z, np.full((2, 3), 2.0))


def test_the_uniform_prior_fills_the_cube():
    z = latent.draw("uniform", 500, 4, Generator(0)).numpy()
    assert -1 <= z.min() < -0.99
    assert 0.99 < z.max() < 1
    assert z.dtype == np.float32


def test_truncation_is_of_the_normal_prior_and_above_zero():
    assert abs(latent.draw("normal", 50, 4, Generator(0), truncation=0.3).numpy()).max() <= 0.3
    same = latent.draw("normal", 5, 4, Generator(0), truncation=math.inf)
    np.testing.assert_array_equal(same, latent.draw("normal", 5, 4, Generator(0)))
    with pytest.raises(ValueError, match="truncation is above 0, not -1"):
        latent.draw("normal", 5, 4, Generator(0), truncation=-1)
    with pytest.raises(ValueError, match="truncation is for the normal prior; this generator's is uniform"):
        latent.draw("uniform", 5, 4, Generator(0), truncation=1)
