"""Integers, images and cells; bits per dimension are held by tinygen.checks.flow."""

import numpy as np
import pytest

from tinygen.flow.dequantisation import dequantise, from_unit, to_integers
from tinygen.random import Generator


def as_stored(k, levels):
    """Images as data sets give them: float32 in [-1, 1]."""
    return k.astype(np.float32) * np.float32(2 / (levels - 1)) - np.float32(1)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_integers_come_back_from_images_and_from_their_cells(levels):
    k = np.arange(levels).reshape(levels, 1)
    np.testing.assert_array_equal(to_integers(as_stored(k, levels), levels), k)
    x = dequantise(k, levels, Generator(0), np.float64)
    np.testing.assert_allclose(from_unit(x, levels), as_stored(k, levels), atol=1e-6)
