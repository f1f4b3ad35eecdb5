"""A choice between two arrays: the other versions give the definition's bits, in every layout, NaN and all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen import kernels
from tinygen.kernels.cpu import select as cpu
from tinygen.kernels.definitions import select as definition

pytestmark = pytest.mark.usefixtures("entries")

VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("select")]
)


def arranged(values, order):
    """The same values with the axes of the memory in another order."""
    return np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))


@VERSIONS
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 7)),
    orders=st.tuples(*[st.permutations(range(3))] * 3),
    dtype=st.sampled_from(["float32", "float64"]),
    other=st.sampled_from(["array", "number", "row"]),
)
def test_every_entry_is_that_of_the_array_it_asks_for(version, shape, orders, dtype, other):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    a.flat[:3], b.flat[2:5] = [np.nan, np.inf, -0.0][: a.size], np.nan
    condition = rng.random(shape) < 0.5
    a, b, condition = (arranged(x, order) for x, order in zip((a, b, condition), orders))
    b = {"array": b, "number": 0.25, "row": b[:1, :, :1] if a.size else 1.0}[other]
    expected = np.where(condition, a, b)
    found = version.select(a, condition, b)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


def test_large_arrays_are_cut_without_gaps():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300_001)).astype(np.float32)
    np.testing.assert_array_equal(kernels.select(a, a > b, b), np.maximum(a, b))
    np.testing.assert_array_equal(kernels.select(a, a > 0, 0), np.maximum(a, 0))


def test_zeros_keep_their_sign_whichever_came_first():
    a, none = np.ones((2, 3), np.float32), np.zeros((2, 3), bool)
    for zero in (0.0, -0.0, 0.0):
        assert (np.signbit(cpu.select(a, none, zero)) == np.signbit(zero)).all()
