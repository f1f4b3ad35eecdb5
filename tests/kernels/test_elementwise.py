"""Sigmoid, softplus, the normal distribution function, erf: definitions against SciPy, kernels against definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from simulator import version as simulated

from tinygen.kernels.cpu import elementwise as cpu
from tinygen.kernels.definitions import elementwise as definition

pytestmark = pytest.mark.usefixtures("entries")

KERNELS = [pytest.param(cpu, id="cpu"), simulated("elementwise")]
VERSIONS = [pytest.param(definition, id="definition"), *KERNELS]
FUNCTIONS = ("erf", "normal_cdf", "sigmoid", "softplus")
EDGES = [0.0, -0.0, 1e-30, -1e-30, 88.0, -86.0, -1e4, 1e4, 3e38, -3e38, np.inf, -np.inf, np.nan]

# The kernels' exp takes all below e^-86.64 for 0: results that small are held to an absolute bound alone.
ERROR = {"rtol": 2e-6, "atol": 1e-35}
NORMAL_ERROR = {"rtol": 2e-6, "atol": 2e-7}  # the square of x in the exponent is rounded too


def same(actual, expected, dtype, bound):
    assert actual.dtype == dtype
    if dtype == np.float64:
        np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-15)
    else:
        np.testing.assert_allclose(actual, expected, **bound)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [40000, 13, 1, 0])
def test_kernels_equal_their_definitions_over_the_line_and_at_its_edges(kernels, dtype, size):
    rng = np.random.default_rng(size)
    x = np.concatenate([rng.normal(0, 6, size), rng.uniform(-100, 100, size), EDGES]).astype(dtype)
    for name in FUNCTIONS:
        expected = getattr(definition, name)(x)
        same(getattr(kernels, name)(x), expected, dtype, NORMAL_ERROR if name == "normal_cdf" else ERROR)


@pytest.mark.parametrize("version", VERSIONS)
@given(
    shape=st.lists(st.integers(0, 5), max_size=4),
    dtype=st.sampled_from([np.float32, np.float64]),
    data=st.data(),
)
def test_results_lie_in_memory_as_x_does(version, shape, dtype, data):
    order = data.draw(st.permutations(range(len(shape))))
    rng = np.random.default_rng(0)
    x = rng.normal(size=[shape[i] for i in order]).astype(dtype).transpose(np.argsort(order))
    if shape and data.draw(st.booleans()):
        x = x[::-2]
    kept = x.copy()
    y = version.sigmoid(x)
    assert y.strides == np.empty_like(x).strides
    assert y.shape == x.shape
    same(y, definition.sigmoid(x), dtype, ERROR)
    assert np.array_equal(x, kept)


@pytest.mark.parametrize("version", VERSIONS)
def test_functions_are_scipys(version):
    x = np.linspace(-30, 30, 2001)
    bound = {"rtol": 1e-13, "atol": 1e-15}
    np.testing.assert_allclose(version.sigmoid(x), special.expit(x), **bound)
    np.testing.assert_allclose(version.normal_cdf(x), special.ndtr(x), **bound)
    np.testing.assert_allclose(version.softplus(x), -special.log_expit(-x), **bound)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reflection(version, dtype):
    """F(x) + F(-x) = 1 of both distribution functions; softplus(x) - softplus(-x) = x."""
    x = np.random.default_rng(1).normal(0, 4, 1000).astype(dtype)
    bound = {"rtol": 0, "atol": 40 * np.finfo(dtype).eps}
    for f in (version.sigmoid, version.normal_cdf):
        np.testing.assert_allclose(f(x) + f(-x), 1, **bound)
    np.testing.assert_allclose(version.softplus(x) - version.softplus(-x), x, **bound)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ten_thousand_is_no_overflow(version, dtype):
    x = np.array([-1e4, 1e4], dtype)
    with np.errstate(over="raise", invalid="raise"):
        assert version.sigmoid(x).tolist() == version.normal_cdf(x).tolist() == [0, 1]
        assert version.softplus(x).tolist() == [0, 1e4]


@pytest.mark.parametrize("version", VERSIONS)
def test_nan_stays_nan_and_softplus_of_infinity_is_infinite(version):
    x = np.full(20, np.nan, np.float32)
    for name in FUNCTIONS:
        assert np.isnan(getattr(version, name)(x)).all()
    assert version.softplus(np.float32([np.inf, -np.inf])).tolist() == [np.inf, 0]


@pytest.mark.parametrize("kernels", KERNELS)
def test_a_broadcast_array_is_read_where_it_repeats(kernels):
    x = np.broadcast_to(np.linspace(-2, 2, 5, dtype=np.float32)[:, None], (3, 5, 4))
    for name in FUNCTIONS:
        same(getattr(kernels, name)(x), getattr(definition, name)(x), np.float32, NORMAL_ERROR)
