"""Taps doubled are those by which a doubled image is seen; the two kernels are adjoint, and equal in every version."""

import numpy as np
import pytest

from tinygen.kernels.cpu import doubling as cpu
from tinygen.kernels.definitions import doubling as definition

VERSIONS = pytest.mark.parametrize("version", [definition, cpu])


@VERSIONS
@pytest.mark.parametrize("taps", [1, 3, 5])
def test_two_taps_that_see_one_pixel_add_up(version, taps):
    """Along one axis: the response to a pixel, which stands twice, is the sum of the responses to each."""
    w = np.random.default_rng(0).normal(size=taps)
    once = np.pad(w[::-1], (0, 1)) + np.pad(w[::-1], (1, 0))
    np.testing.assert_allclose(version.double_taps(w.reshape(1, 1, 1, taps)).reshape(2, taps + 1), [once, once])


@VERSIONS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 4, 3, 3), (130, 70, 3, 3), (4, 3, 1, 5)])
def test_the_two_are_adjoint(version, dtype, shape):
    rng = np.random.default_rng(1)
    out, channels, high, wide = shape
    w, g = (rng.integers(-8, 8, s).astype(dtype) for s in (shape, (channels, out, high + 1, wide + 1)))
    v, back = version.double_taps(w), version.undouble_taps(g)
    assert (v.shape, v.dtype, back.shape, back.dtype) == (g.shape, dtype, w.shape, dtype)
    assert (v * g).sum(dtype=np.float64) == (w * back).sum(dtype=np.float64)
    assert np.array_equal(v, definition.double_taps(w))
    assert np.array_equal(back, definition.undouble_taps(g))
    turned = np.ascontiguousarray(w.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    assert np.array_equal(version.double_taps(turned), v)
