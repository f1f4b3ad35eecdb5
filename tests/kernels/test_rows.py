"""Entries taken and added by index: the definitions against loops, and the others against these, bit by bit."""

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
some = st.sampled_from([0, 1, 5, 33])
CASES = given(
    n=st.sampled_from([0, 1, 5, 32, 40, 70]),
    count=st.integers(1, 12),
    lead=st.lists(st.sampled_from([0, 1, 3]), max_size=2),
    rest=st.lists(some, max_size=2),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)


def indices(rng, count, *shape):
    """Whole numbers of some kind, of which those that can are below 0 now and then."""
    drawn = rng.integers(0, count, shape).astype(rng.choice(["int64", "int32", "uint8"]))
    return drawn if drawn.dtype == "uint8" else np.where(rng.random(shape) < 0.3, drawn - count, drawn)


def moved(rng, x):
    """The same numbers, laid out in memory in some order."""
    order = rng.permutation(x.ndim)
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


@VERSIONS
@CASES
def test_slices(version, n, count, lead, rest, dtype, seed):
    rng = np.random.default_rng(seed)
    axis, of_index = len(lead), (2, n // 2) if seed % 3 == 0 else (n,)
    x = moved(rng, rng.normal(size=(*lead, count, *rest)).astype(dtype))
    index = indices(rng, count, *of_index)
    whole = (slice(None),) * axis
    y = version.take(x, index, axis)
    assert (y.dtype, y.shape) == (dtype, (*lead, *of_index, *rest))
    for place in np.ndindex(of_index):
        np.testing.assert_array_equal(y[(*whole, *place)], x[(*whole, index[place])])

    g = moved(rng, rng.normal(size=y.shape).astype(dtype))
    expected = np.zeros(x.shape, dtype)
    for place in np.ndindex(of_index):
        expected[(*whole, index[place])] += g[(*whole, *place)]
    found = version.add_taken(g, index, axis, count)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@VERSIONS
@CASES
def test_entries_with_an_index_each(version, n, count, lead, rest, dtype, seed):
    rng = np.random.default_rng(seed)
    axis = len(lead)
    x = moved(rng, rng.normal(size=(*lead, count, *rest)).astype(dtype))
    index = moved(rng, indices(rng, count, *lead, n % 7, *rest))
    y = version.take(x, index, axis, True)
    assert (y.dtype, y.shape) == (dtype, index.shape)
    g = moved(rng, rng.normal(size=y.shape).astype(dtype))
    expected = np.zeros(x.shape, dtype)
    for place in np.ndindex(index.shape):
        source = (*place[:axis], index[place], *place[axis + 1 :])
        assert y[place] == x[source]
        expected[source] += g[place]
    found = version.add_taken(g, index, axis, count, True)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(4096, 64), (8, 512, 64), (512, 4, 64)])
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, shape):
    monkeypatch.setattr(cpu, "_SERIAL", 1)
    rng = np.random.default_rng(0)
    axis = int(np.argmax(shape))
    g, index = rng.normal(size=shape).astype(np.float32), rng.integers(0, 37, shape[axis])
    before = numba.get_num_threads()
    found, taken = [], []
    try:
        for threads in {1, before}:
            numba.set_num_threads(threads)
            found.append(kernels.add_taken(g, index, axis, 37))
            taken.append(kernels.take(g, index, axis))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[-1])
    np.testing.assert_array_equal(taken[0], taken[-1])
    np.testing.assert_allclose(found[0].sum(axis), g.sum(axis), rtol=1e-3, atol=1e-2)


@VERSIONS
@pytest.mark.parametrize("each", [False, True])
def test_indices_that_do_not_fit_are_refused(version, each):
    x, g = np.ones((4, 2), np.float32), np.ones((3, 2), np.float32)

    def index(*values):
        return np.repeat(np.array(values)[:, None], 2, 1) if each else np.array(values)

    for bad in (4, -5):
        for call in (lambda i: version.take(x, i, 0, each), lambda i: version.add_taken(g, i, 0, 4, each)):
            with pytest.raises(IndexError, match=f"index {bad} is outside -4 to 3"):
                call(index(0, bad, 1))
    with pytest.raises(IndexError, match="index -1 is outside 0 to 3"):
        version.take(x, index(0, -1, 1), 0, each, False)
    with pytest.raises(ValueError, match=r"g \(3, 2\) needs as many indices along axis 0, found \(2,"):
        version.add_taken(g, index(0, 1), 0, 4, each)
    with pytest.raises(ValueError, match=r"indices of shape \(2, 3\) for each place of \(4, 2\) differ beside axis 0"):
        version.take(x, np.zeros((2, 3), int), 0, True)
