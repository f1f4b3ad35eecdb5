"""A choice between two arrays: the CPU version gives the definition's bits, in every layout, NaN and all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygen import kernels


def arranged(values, order):
    """The same values with the axes of the memory in another order."""
    return np.ascontiguousarray(values.transpose(order)).transpose(np.argsort(order))


@given(
    shape=st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(1, 7)),
    orders=st.tuples(*[st.permutations(range(3))] * 3),
    dtype=st.sampled_from(["float32", "float64"]),
    other=st.sampled_from(["array", "number", "row"]),
)
def test_the_cpu_version_gives_the_definitions_bits(shape, orders, dtype, other):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    a.flat[:3], b.flat[2:5] = [np.nan, np.inf, -0.0][: a.size], np.nan
    condition = rng.random(shape) < 0.5
    a, b, condition = (arranged(x, order) for x, order in zip((a, b, condition), orders))
    b = {"array": b, "number": 0.25, "row": b[:1, :, :1] if a.size else 1.0}[other]
    expected = np.where(condition, a, b)
    for version in ("definition", "cpu"):
        with kernels.implementation(version):
            found = kernels.select(a, condition, b)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def test_large_arrays_are_cut_without_gaps():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300_001)).astype(np.float32)
    np.testing.assert_array_equal(kernels.select(a, a > b, b), np.maximum(a, b))
    np.testing.assert_array_equal(kernels.select(a, a > 0, 0), np.maximum(a, 0))
