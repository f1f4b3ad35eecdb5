"""ReLU, leaky ReLU, ELU: every version against the definition, in every layout; NaN, infinities and zeros."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen import kernels
from tinygen.kernels.cpu import rectifier as cpu
from tinygen.kernels.definitions import rectifier as definition

pytestmark = pytest.mark.usefixtures("entries")

KERNELS = pytest.mark.parametrize("version", [pytest.param(cpu, id="cpu"), simulated("rectifier")])
VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("rectifier")]
)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -3.0]


def arranged(values, order):
    """The same values with the axes of the memory in another order."""
    return np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))


@KERNELS
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 7)),
    order=st.permutations(range(3)),
    other=st.permutations(range(3)),
    dtype=st.sampled_from(["float32", "float64"]),
    slope=st.sampled_from([0.0, 0.01, 0.2, -1.5]),
)
def test_each_version_gives_the_definitions_bits(version, shape, order, other, dtype, slope):
    rng = np.random.default_rng(1)
    x, g = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    x.flat[: len(SPECIAL)] = SPECIAL[: x.size]
    x, g = arranged(x, order), arranged(g, other)
    with np.errstate(invalid="ignore"):
        for name, arguments in {
            "relu": (x,),
            "relu_backward": (g, x),
            "leaky_relu": (x, slope),
            "leaky_relu_backward": (g, x, slope),
        }.items():
            found, expected = getattr(version, name)(*arguments), getattr(definition, name)(*arguments)
            for result in (found, expected):
                assert result.dtype == dtype
                assert not x.size or result.strides == np.empty_like(x).strides
            np.testing.assert_array_equal(found, expected)


@VERSIONS
@given(
    order=st.permutations(range(3)), dtype=st.sampled_from(["float32", "float64"]), alpha=st.sampled_from([1.0, 0.3])
)
def test_elu_keeps_its_relative_accuracy_down_to_zero(version, order, dtype, alpha):
    """Within three units in the last place of float64's answer, at arguments from 1e-30 to 100 of either sign."""
    rng = np.random.default_rng(2)
    x = (10.0 ** rng.uniform(-30, 2, (7, 8, 9)) * rng.choice([-1, 1], (7, 8, 9))).astype(dtype)
    x.flat[: len(SPECIAL)] = SPECIAL
    x.flat[20:40] = np.linspace(-0.36, -0.32, 20)  # where one formula hands over to the other
    g = rng.normal(size=x.shape).astype(dtype)
    wide = x.astype(np.float64)
    value = np.where(wide > 0, wide, alpha * np.expm1(np.minimum(wide, 0)))
    slope = g * np.where(wide > 0, 1.0, alpha * np.exp(np.minimum(wide, 0)))
    y, d = version.elu(arranged(x, order), alpha), version.elu_backward(g, arranged(x, order), alpha)
    assert y.dtype == d.dtype == dtype
    tolerance = {"rtol": 3 * np.finfo(dtype).eps, "atol": 1e-37}
    np.testing.assert_allclose(y, value, **tolerance)
    np.testing.assert_allclose(d, slope, **tolerance)


@VERSIONS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_singular_values(version, dtype):
    x = np.array(SPECIAL, dtype)
    g = np.full_like(x, 7.0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(version.relu(x), np.array([np.nan, np.inf, 0, 0, 0, 1e-45, 0], dtype))
        np.testing.assert_array_equal(version.relu_backward(g, x), [0, 7, 0, 0, 0, 7 if x[5] else 0, 0])
        np.testing.assert_allclose(
            version.leaky_relu(x, 0.25), np.array([np.nan, np.inf, -np.inf, 0, 0, 1e-45, -0.75], dtype)
        )
        np.testing.assert_array_equal(
            version.leaky_relu_backward(g, x, 0.25), [1.75, 7, 1.75, 1.75, 1.75, 7 if x[5] else 1.75, 1.75]
        )


def test_large_arrays_are_cut_without_gaps():
    x = np.random.default_rng(0).normal(size=300_001).astype(np.float32)
    np.testing.assert_array_equal(kernels.relu(x), np.maximum(x, 0))
    np.testing.assert_array_equal(kernels.leaky_relu(x, 0.1), np.where(x > 0, x, np.float32(0.1) * x))
