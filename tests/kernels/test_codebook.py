"""The nearest code: every version gives the definition's index, the first of equals, however near the next one is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen.kernels.cpu import codebook as cpu
from tinygen.kernels.definitions import codebook as definition

VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("codebook")]
)


def problem(rows, codes, width, dtype, spread, offset):
    """Vectors and codes `offset` away from 0 that lie `spread` apart."""
    rng = np.random.default_rng(0)
    book = offset + spread * rng.standard_normal((codes, width))
    z = offset + spread * rng.standard_normal((rows, width))
    return z.astype(dtype), book.astype(dtype)


@VERSIONS
@given(
    rows=st.sampled_from([0, 1, 5, 40]),
    codes=st.sampled_from([1, 2, 63, 64, 100]),
    width=st.sampled_from([1, 2, 8, 13, 64]),
    dtype=st.sampled_from(["float32", "float64"]),
    far=st.sampled_from([(1.0, 0.0), (1e-3, 100.0), (1e-20, 0.0), (1e25, 0.0)]),
    layout=st.booleans(),
)
def test_it_is_the_first_of_the_least_distances(version, rows, codes, width, dtype, far, layout):
    """Also where float32 sees no difference, or no number: its squares vanish, overflow, or all come out the same."""
    z, book = problem(rows, codes, width, dtype, *far)
    if layout:
        z, book = np.asfortranarray(z), np.repeat(book, 2, axis=0)[::2]
    distances = np.square(z[:, None].astype(np.longdouble) - book).sum(-1)
    found = version.nearest_code(z, book)
    assert (found.dtype, found.shape) == (np.int64, (rows,))
    chosen = np.take_along_axis(distances, found[:, None], 1)[:, 0]
    assert (chosen <= distances.min(1, initial=np.inf) * (1 + 1e-13)).all()
    np.testing.assert_array_equal(found, definition.nearest_code(z, book))


@VERSIONS
def test_the_first_of_equals(version):
    """Codes that are there twice, in one tile and in two, and codes as far on one side as on the other."""
    z, book = problem(30, 40, 5, "float32", 1.0, 0.0)
    np.testing.assert_array_equal(version.nearest_code(z, np.tile(book, (3, 1))), version.nearest_code(z, book))
    line = np.array([[3.0], [1.0], [-1.0], [-3.0]], np.float32)
    np.testing.assert_array_equal(version.nearest_code(np.array([[0.0], [2.0], [-2.0]], np.float32), line), [1, 0, 2])


@VERSIONS
def test_a_difference_that_float32_does_not_see_decides(version):
    """|z - e| differs by 1e-9 of itself: below the rounding of |z|^2 - 2 z e + |e|^2 in float32, and of the sum."""
    z = np.zeros((1, 3), np.float32)
    book = np.array([[1.0, 1.0, 1e-4], [1.0, 1.0, 5e-5], [1.0, 1.0, 7e-5]], np.float32)
    assert version.nearest_code(z, book).tolist() == [1]


@VERSIONS
def test_what_is_not_finite_is_nowhere_near(version):
    z, book = problem(4, 6, 3, "float32", 1.0, 0.0)
    z[2], book[0] = np.nan, np.nan
    book[1] = np.inf
    found = version.nearest_code(z, book)
    assert found[2] == 0
    assert (np.delete(found, 2) >= 2).all()


@VERSIONS
def test_sizes_that_do_not_fit_are_told(version):
    z = np.zeros((4, 3), np.float32)
    for book in (np.zeros((5, 2), np.float32), np.zeros((0, 3), np.float32), np.zeros(3, np.float32)):
        with pytest.raises(ValueError, match=r"rows \(N, D\) and codes"):
            version.nearest_code(z, book)
