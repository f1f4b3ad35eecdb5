"""The vector values of kernels/cpu/simd.py equal NumPy's arithmetic lane by lane, at the edges of float32 too."""

import numba
import numpy as np
import pytest

from tinygen.kernels.cpu import simd, threads
from tinygen.kernels.cpu.simd import LANES

N = 4 * LANES


@numba.njit(fastmath=simd.FASTMATH)
def _functions(x, y, out):
    for i in range(0, x.size, LANES):
        a, b = simd.vload(x, i), simd.vload(y, i)
        simd.vstore(out[0], i, simd.vexp(a))
        simd.vstore(out[1], i, simd.vsigmoid(a))
        simd.vstore(out[2], i, simd.vfma(a, b, -b) / simd.vabs(b) - simd.vsqrt(simd.vabs(a)))
        simd.vstore(out[3], i, simd.vmax(a, b))
        simd.vstore(out[4], i, simd.vmin(a, b))
        simd.vstore(out[5], i, simd.vwhere_less(a, b, simd.vzero(), simd.vround(a)))


@numba.njit(fastmath=simd.FASTMATH)
def _edges(x, count, out):
    simd.vstore_first(out, 1, simd.vload_first(x, 0, count, 7.0) + simd.vbroadcast(x, 2), count)
    a = simd.vload_first(x, 0, count, 7.0)
    return simd.vsum(a), simd.vmax_lane(a)


@numba.njit
def _products(x, y, z, out):
    a, b, c = simd.vload(x, 0), simd.vload(y, 0), simd.vload(z, 0)
    simd.vstore(out[0], 0, simd.vfma(a, b, c))
    simd.vstore(out[1], 0, simd.vfma_once(a, b, c))


def _run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = np.empty((6, x.size), np.float32)
    _functions(x, y, out)
    return out


def test_lanes_follow_numpy():
    rng = np.random.default_rng(0)
    x, y = (rng.normal(0, 20, N).astype(np.float32) for _ in range(2))
    exp, sigmoid, mixed, largest, least, chosen = _run(x, y)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(exp, np.exp(wide), rtol=2.5e-7)
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-wide)), rtol=4e-7)
    np.testing.assert_allclose(mixed, (wide * y - y) / np.abs(y) - np.sqrt(np.abs(wide)), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(largest, np.maximum(x, y))
    np.testing.assert_array_equal(least, np.minimum(x, y))
    np.testing.assert_array_equal(chosen, np.where(x < y, 0, np.rint(x)))


def test_exp_keeps_nan_and_saturates_like_numpy():
    x = np.zeros(N, np.float32)
    x[:6] = np.nan, np.inf, -np.inf, 88.72, 88.73, -1000
    exp, sigmoid = _run(x, np.ones_like(x))[:2]
    np.testing.assert_allclose(exp[:6], [np.nan, np.inf, 0, np.exp(np.float64(x[3])), np.inf, 0], rtol=3e-7)
    np.testing.assert_allclose(sigmoid[:6], [np.nan, 1, 0, 1, 1, 0], rtol=3e-7)


def _of_nearly_one():
    """(1 + e)^2 - (1 + 2 e), of which nothing is left when the product is rounded first, by both functions."""
    e, out = np.full(LANES, 2.0**-12, np.float32), np.empty((2, LANES), np.float32)
    _products(1 + e, 1 + e, -1 - 2 * e, out)
    return out


def test_a_product_and_a_sum_are_rounded_once_where_the_processor_does_and_where_it_must_be():
    quick, once = _of_nearly_one()
    assert (once == 2.0**-24).all()
    assert (quick == once).all() or (quick == 0).all()


def test_no_lane_is_multiplied_and_added_by_a_function_of_c():
    """As `llvm.fma` is on a processor without the instruction, where it takes a product some twenty times as long."""
    _run(np.zeros(N, np.float32), np.ones(N, np.float32))
    (code,) = _functions.inspect_asm().values()
    assert "fmaf" not in code
    assert "sqrt" in code


def test_exp_is_within_units_in_the_last_place():
    x = np.linspace(-86.6, 88.7228, 4000 * N).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    error = np.abs(_run(x, np.ones_like(x))[0] - exact) / np.spacing(exact.astype(np.float32))
    assert error.max() < (0.9 if _of_nearly_one()[0].any() else 1.2)


@pytest.mark.parametrize("count", [0, 1, LANES - 1, LANES])
def test_masked_access_touches_only_the_first_lanes(count):
    x = np.arange(1, LANES + 1, dtype=np.float32)
    out = np.full(LANES + 2, -1, np.float32)
    total, top = _edges(x, count, out)
    np.testing.assert_array_equal(out[1 : 1 + count], x[:count] + 3)
    assert out[0] == -1
    assert (out[1 + count :] == -1).all()
    assert total == x[:count].sum() + 7 * (LANES - count)
    assert top == max([*x[:count], 7] if count < LANES else x)


def test_other_dtypes_are_refused():
    with pytest.raises(numba.TypingError):
        _functions(np.zeros(N), np.zeros(N), np.empty((6, N)))


def test_thread_count_leaves_each_thread_its_share():
    most = numba.get_num_threads()
    assert threads.thread_count() == most
    assert threads.thread_count(10, least=100) == 1
    assert threads.thread_count(10**9, least=100) == most
