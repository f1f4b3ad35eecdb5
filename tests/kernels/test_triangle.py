"""Triangles of matrices: the other versions give the definition's bits, in every layout, NaN and all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.kernels.cpu import triangle as cpu
from tinygen.kernels.definitions import triangle as definition

VERSIONS = pytest.mark.parametrize("version", [definition, cpu], ids=["definition", "cpu"])


def by_rule(x, k, lower):
    """Entry by entry: column j of row i lies on diagonal j - i."""
    y = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        diagonal = place[-1] - place[-2]
        if diagonal <= k if lower else diagonal >= k:
            y[place] = x[place]
    return y


@VERSIONS
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(1, 20), st.integers(1, 40)),
    k=st.integers(-45, 45),
    lower=st.booleans(),
    order=st.permutations(range(3)),
    dtype=st.sampled_from(["float32", "float64", "int64"]),
)
def test_every_entry_is_kept_or_zero(version, shape, k, lower, order, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    x.flat[:5] = 7 if dtype == "int64" else np.nan
    x = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
    found = version.triangle(x, k, lower)
    np.testing.assert_array_equal(found, by_rule(x, k, lower))
    assert found.dtype == x.dtype
    assert found.flags.c_contiguous


@VERSIONS
def test_rows_of_every_length_leave_their_neighbours_alone(version):
    x = np.arange(1, 2 * 67 * 71 + 1, dtype=np.float32).reshape(2, 67, 71)
    for k in (-66, -1, 0, 3, 70):
        for lower in (True, False):
            np.testing.assert_array_equal(version.triangle(x, k, lower), by_rule(x, k, lower))
