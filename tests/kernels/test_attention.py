"""Attention: every version is the definition; rows of weights sum to 1; the gradient is the gradient."""

import subprocess
import sys

import numba
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen.kernels.cpu import attention as cpu
from tinygen.kernels.definitions import attention as definition

KERNELS = pytest.mark.parametrize("kernels", [pytest.param(cpu, id="cpu"), simulated("attention")])
VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("attention")]
)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
TOLERANCE = {"float32": 4e-6, "float64": 1e-13}
MASKS = ["none", "bool", "float", "bool per head", "float per key", "bool per query"]


def make_mask(rng, kind, lead, queries, keys):
    shape = {
        "bool per head": (*lead, queries, keys),
        "float per key": (keys,),
        "bool per query": (queries, 1),
    }.get(kind, (queries, keys))
    if kind == "none":
        return None
    return rng.random(shape) < 0.6 if kind.startswith("bool") else rng.standard_normal(shape)


def views(rng, lead, dtype, layout, *row_shapes):
    """Normal arrays (*lead, rows, columns): contiguous, heads of one projection, or of awkward strides."""
    for rows, columns in row_shapes:
        if layout == "projection" and len(lead) == 2:
            yield rng.standard_normal((lead[0], rows, lead[1], columns)).astype(dtype).transpose(0, 2, 1, 3)
        elif layout == "slices":
            yield rng.standard_normal((*lead, 2 * rows, 3 * columns)).astype(dtype)[..., ::2, columns : 2 * columns]
        elif layout == "columns first":
            yield rng.standard_normal((*lead, columns, rows)).astype(dtype).mT
        elif layout == "reversed":
            yield rng.standard_normal((*lead, rows, columns)).astype(dtype)[..., ::-1, :]
        else:
            yield rng.standard_normal((*lead, rows, columns)).astype(dtype)


def difference(ours, theirs):
    """Greatest difference relative to the greatest magnitude; infinities must sit at the same places."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    assert (np.isneginf(ours) == np.isneginf(theirs)).all()
    ours, theirs = (np.where(np.isneginf(x), 0, x) for x in (ours, theirs))
    return np.abs(ours - theirs).max(initial=0) / (1 + np.abs(theirs).max(initial=0))


def attention_of(*values):
    """An example of the test below: its arguments in their order, without the first."""
    names = ("lead", "queries", "keys", "d", "e", "mask", "layout", "causal", "dtype", "seed")
    return example(**dict(zip(names, values)))


@KERNELS
@given(
    lead=st.sampled_from([(), (3,), (2, 3), (2, 1, 2)]),
    queries=st.sampled_from([1, 5, 16, 29, 31, 49, 75]),
    keys=st.sampled_from([1, 7, 16, 33, 49, 150]),
    d=st.sampled_from([1, 3, 16, 17, 32, 40]),
    e=st.sampled_from([1, 8, 16, 31, 32, 80]),
    mask=st.sampled_from(MASKS),
    layout=st.sampled_from(["contiguous", "projection", "slices", "columns first", "reversed"]),
    causal=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
@attention_of((), 3, 2100, 20, 100, "float", "contiguous", True, "float32", 0)
@attention_of((2,), 0, 5, 4, 3, "none", "contiguous", False, "float32", 0)
@attention_of((2,), 5, 0, 4, 3, "none", "contiguous", True, "float32", 0)
def test_every_version_is_the_definition(kernels, lead, queries, keys, d, e, mask, layout, causal, dtype, seed):
    rng = np.random.default_rng(seed)
    q, k, v, g = views(rng, lead, dtype, layout, (queries, d), (keys, d), (keys, e), (queries, e))
    mask = make_mask(rng, mask, lead, queries, keys)
    options = (mask, causal, d**-0.5)
    y, lse = definition.attention(q, k, v, *options)
    for ours, theirs in zip(kernels.attention(q, k, v, *options), (y, lse)):
        assert difference(ours, theirs) < TOLERANCE[dtype]
    expected = definition.attention_backward(g, q, k, v, y, lse, *options)
    for ours, theirs in zip(kernels.attention_backward(g, q, k, v, y, lse, *options), expected):
        assert difference(ours, theirs) < 2 * TOLERANCE[dtype]


@VERSIONS
@DTYPES
@pytest.mark.parametrize("causal", [False, True])
def test_rows_of_weights_sum_to_one(version, dtype, causal):
    rng = np.random.default_rng(0)
    q, k = (8 * rng.standard_normal((2, 3, n, 20)).astype(dtype) for n in (70, 45))
    y, _ = version.attention(q, k, np.ones((2, 3, 45, 5), dtype), None, causal, 0.3)
    assert np.abs(y - 1).max() < TOLERANCE[dtype]


@VERSIONS
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("causal", [False, True])
def test_gradient_against_central_differences(version, mask, causal):
    """d/dt sum(g y) along a random direction in all of q, k, v, float64."""
    rng = np.random.default_rng(1)
    lead, queries, keys, d, e = (2, 2), 9, 7, 5, 4
    q, k, v, g, *steps = (
        rng.standard_normal((*lead, *s))
        for s in [(queries, d), (keys, d), (keys, e), (queries, e), (queries, d), (keys, d), (keys, e)]
    )
    options = (make_mask(rng, mask, lead, queries, keys), causal, 0.7)
    y, lse = version.attention(q, k, v, *options)
    grads = version.attention_backward(g, q, k, v, y, lse, *options)
    value = lambda t: (g * version.attention(q + t * steps[0], k + t * steps[1], v + t * steps[2], *options)[0]).sum()
    h = 1e-4  # fourth-order differences: error h^4
    numeric = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    assert sum((a * b).sum() for a, b in zip(grads, steps)) == pytest.approx(numeric, rel=1e-9)


@VERSIONS
@DTYPES
def test_a_query_that_sees_no_key_gives_zero(version, dtype):
    rng = np.random.default_rng(2)
    q, k, v, g = (rng.standard_normal((3, 40, 16)).astype(dtype) for _ in range(4))
    mask = rng.random((40, 40)) < 0.5
    mask[[0, 17, 39]] = False
    y, lse = version.attention(q, k, v, mask, False, 0.25)
    dq, dk, dv = version.attention_backward(g, q, k, v, y, lse, mask, False, 0.25)
    assert (y[:, [0, 17, 39]] == 0).all()
    assert (dq[:, [0, 17, 39]] == 0).all()
    assert np.isneginf(lse).sum() == 9
    assert all(np.isfinite(x).all() for x in (y, dq, dk, dv))


@VERSIONS
@DTYPES
def test_causal_is_the_lower_triangle(version, dtype):
    rng = np.random.default_rng(3)
    for queries, keys in [(50, 50), (33, 70), (70, 33)]:
        q, k, v = (rng.standard_normal((2, n, 24)).astype(dtype) for n in (queries, keys, keys))
        triangle = np.tri(queries, keys, dtype=bool)
        causal, masked = version.attention(q, k, v, None, True, 0.2), version.attention(q, k, v, triangle, False, 0.2)
        for a, b in zip(causal, masked):
            assert difference(a, b) < TOLERANCE[dtype]


@VERSIONS
@DTYPES
def test_later_keys_change_no_bit_of_earlier_queries(version, dtype):
    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((60, 16)).astype(dtype) for _ in range(3))
    before, _ = version.attention(q, k, v, None, True, 0.25)
    k[41:], v[41:] = 1e4, -1e4
    after, _ = version.attention(q, k, v, None, True, 0.25)
    assert (before[:41] == after[:41]).all()
    assert (before[41:] != after[41:]).all()


@VERSIONS
@DTYPES
def test_a_constant_added_to_the_scores_changes_only_the_lse(version, dtype):
    rng = np.random.default_rng(5)
    q, k, v = (rng.standard_normal((2, 35, 16)).astype(dtype) for _ in range(3))
    mask = rng.standard_normal((35, 35))
    shift = rng.standard_normal((35, 1)) * 20
    y, lse = version.attention(q, k, v, mask, False, 0.25)
    y_shifted, lse_shifted = version.attention(q, k, v, mask + shift, False, 0.25)
    loose = 20 * TOLERANCE[dtype]
    assert np.abs(y_shifted - y).max() < loose
    assert np.abs(lse_shifted - shift[:, 0] - lse).max() < loose


@VERSIONS
@DTYPES
def test_great_scores_select_one_value(version, dtype):
    """Scores of 1e5 overflow no exponential: attention becomes a look-up."""
    rng = np.random.default_rng(6)
    keys = np.eye(20, dtype=dtype)
    v = rng.standard_normal((20, 9)).astype(dtype)
    order = rng.permutation(20)
    y, lse = version.attention(keys[order], keys, v, None, False, 1e5)
    assert (y == v[order]).all()
    assert (lse == 1e5).all()


@VERSIONS
@DTYPES
def test_nan_comes_through(version, dtype):
    rng = np.random.default_rng(7)
    q, k, v = (rng.standard_normal((33, 16)).astype(dtype) for _ in range(3))
    q[5, 3] = np.nan
    y, lse = version.attention(q, k, v, None, False, 0.25)
    assert np.isnan(y).all(1).tolist() == [i == 5 for i in range(33)]
    assert np.isnan(lse).tolist() == [i == 5 for i in range(33)]
    grads = version.attention_backward(np.ones_like(y), q, k, v, y, lse, None, False, 0.25)
    assert np.isnan(grads[0][5]).all()
    assert np.isnan(grads[1]).all()


def test_results_keep_the_memory_order_of_what_they_belong_to():
    """Heads that are views of (N, T, heads, d) come back as such views: merging them is free."""
    rng = np.random.default_rng(8)
    q, k, v, g = views(rng, (2, 3), "float32", "projection", (20, 16), (30, 16), (30, 8), (20, 8))
    y, lse = cpu.attention(q, k, v, None, False, 0.25)
    for x in (y, *cpu.attention_backward(g, q, k, v, y, lse, None, False, 0.25)):
        assert x.transpose(0, 2, 1, 3).flags.c_contiguous


def test_same_bits_from_any_number_of_threads():
    rng = np.random.default_rng(9)
    q, k, v, g = (rng.standard_normal((3, 5, 100, 32)).astype("float32") for _ in range(4))

    def run():
        y, lse = cpu.attention(q, k, v, None, True, 0.2)
        return y, lse, *cpu.attention_backward(g, q, k, v, y, lse, None, True, 0.2)

    several, threads = run(), numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = run()
    finally:
        numba.set_num_threads(threads)
    assert all((a == b).all() for a, b in zip(one, several))


MEMORY = """
import resource, sys
import numpy as np
from tinygen.kernels.cpu.attention import attention, attention_backward

def run(n):
    q = np.ones((1, n, 16), np.float32)
    y, lse = attention(q, q, q, None, False, 0.25)
    attention_backward(q, q, q, q, y, lse, None, False, 0.25)

run(64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(8192)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is Unix's")
def test_no_matrix_of_scores_is_ever_held():
    """Forward and backward at T = S = 8192: the process grows by far less than the 268 MB of one such matrix."""
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 8192 * 8192 * 4 / 8


def test_fields_of_records_that_are_no_whole_entries_apart():
    records = np.zeros(3, np.dtype([("x", np.float32, (2, 5, 4)), ("label", np.uint8)]))
    records["x"] = np.random.default_rng(0).normal(size=(3, 2, 5, 4))
    apart, alone = records["x"], records["x"].copy()
    y, lse = cpu.attention(apart, apart, apart, None, False, 0.5)
    np.testing.assert_array_equal(y, cpu.attention(alone, alone, alone, None, False, 0.5)[0])
    found = cpu.attention_backward(y, apart, apart, apart, y, lse, None, False, 0.5)
    for d, e in zip(found, cpu.attention_backward(y, alone, alone, alone, y, lse, None, False, 0.5)):
        np.testing.assert_array_equal(d, e)
