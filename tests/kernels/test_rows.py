"""Rows added by index: the definition against a loop, and the others against the definition, bit by bit."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen import kernels
from tinygen.kernels.cpu import rows as cpu
from tinygen.kernels.definitions import rows as definition

VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("rows")]
)


@VERSIONS
@given(
    n=st.sampled_from([0, 1, 5, 32, 40, 70]),
    count=st.integers(1, 12),
    rest=st.lists(st.sampled_from([0, 1, 5, 33]), max_size=2),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_rows_are_added_in_the_order_of_the_indices(version, n, count, rest, dtype, seed):
    rng = np.random.default_rng(seed)
    g = np.asfortranarray(rng.normal(size=(n, *rest)).astype(dtype))
    rows = rng.integers(0, count, n).astype(rng.choice(["int64", "int32", "uint8"]))
    expected = np.zeros((count, *rest), dtype)
    for r, row in zip(rows, g):
        expected[r] += row
    found = version.add_rows(g, rows, count)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(cpu, "_SERIAL", 1)
    rng = np.random.default_rng(0)
    g, rows = rng.normal(size=(4096, 64)).astype(np.float32), rng.integers(0, 37, 4096)
    before = numba.get_num_threads()
    found = []
    try:
        for threads in {1, before}:
            numba.set_num_threads(threads)
            found.append(kernels.add_rows(g, rows, 37))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[-1])
    np.testing.assert_allclose(found[0].sum(0), g.sum(0), rtol=1e-3, atol=1e-2)


@VERSIONS
def test_indices_that_do_not_fit_are_refused(version):
    g = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"indices from -1 to 4 are not all in 0 to 3"):
        version.add_rows(g, np.array([0, 4, -1]), 4)
    with pytest.raises(ValueError, match=r"g \(3, 2\) needs as many indices, found \(2,\)"):
        version.add_rows(g, np.array([0, 1]), 4)
