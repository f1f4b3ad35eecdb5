"""The norm of many arrays as one vector: its formula, versions agree in every layout, and a factor for all."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen import kernels
from tinygen.kernels.cpu import norm as cpu
from tinygen.kernels.definitions import norm as definition

VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("norm")]
)
SHAPES = [(), (1,), (7,), (40_001,), (5, 3), (4, 6, 5, 5), (0, 3), (4096,), (8192,)]


def arrays(shapes, dtype, layout):
    """Normal numbers: contiguous, with the axes of the memory in reverse, or with gaps."""
    rng = np.random.default_rng(0)
    order = "F" if layout == "transposed" else "C"
    found = [np.array(rng.standard_normal(shape), dtype, order=order) for shape in shapes]
    return [np.stack([a, a], -1)[..., 0] for a in found] if layout == "gaps" else found


@VERSIONS
@given(
    shapes=st.lists(st.sampled_from(SHAPES), min_size=1, max_size=5),
    dtype=st.sampled_from(["float32", "float64"]),
    layout=st.sampled_from(["contiguous", "transposed", "gaps"]),
    factor=st.sampled_from([0.25, 1.0, 0.3, math.nan]),
)
def test_the_norm_is_the_root_of_all_squares_and_the_factor_reaches_all(version, shapes, dtype, layout, factor):
    given_arrays = arrays(shapes, dtype, layout)
    before = [a.copy() for a in given_arrays]
    norm = version.gradient_norm(given_arrays)
    exact = math.sqrt(math.fsum(float(v) ** 2 for a in before for v in a.ravel()))
    assert (norm.shape, norm.dtype) == ((), dtype)
    assert abs(float(norm) - exact) <= 2 * np.finfo(dtype).eps * exact
    assert all((a == b).all() for a, b in zip(given_arrays, before))
    version.scale_all(given_arrays, np.asarray(factor, dtype))
    for found, was in zip(given_arrays, before):
        np.testing.assert_allclose(found, was * np.asarray(factor, dtype), rtol=np.finfo(dtype).eps)


@VERSIONS
def test_squares_neither_overflow_nor_vanish(version):
    for size in (1e30, 1e-30):
        a = [np.full(3, size, np.float32), np.full((2, 3), size, np.float32)]
        assert float(version.gradient_norm(a)) == pytest.approx(3 * size, rel=1e-6)


@VERSIONS
def test_arrays_may_be_of_several_dtypes(version):
    a = [np.full(3, 2, np.float32), np.full((2, 3), 2, np.float64), np.full(7, 2, np.float32)]
    norm = version.gradient_norm(a)
    assert (float(norm), norm.dtype) == (8, np.float32)
    version.scale_all(a, np.float32(0.5))
    assert all((x == 1).all() for x in a)


@VERSIONS
def test_no_array_has_norm_0(version):
    assert version.gradient_norm([]) == 0
    version.scale_all([], np.float32(2))


@VERSIONS
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_seen(version, value):
    a = [np.ones(5000, np.float32), np.ones((3, 2), np.float32)]
    a[0][4321] = value
    np.testing.assert_array_equal(version.gradient_norm(a), np.float32(value))


def test_the_first_array_chooses_the_version():
    found = kernels.gradient_norm([np.ones(4, np.float32), np.ones(5, np.float64)])
    assert (float(found), found.dtype, found.shape) == (3, np.float32, ())
    assert kernels.choose([]) == kernels.choose([np.ones(3, int)]) == "definition"
    assert kernels.choose([np.ones(3)]) == "cpu"
