"""The float64 vectors of kernels/cpu/wide.py equal NumPy's arithmetic lane by lane."""

import numba
import numpy as np
import pytest

from tinygen.kernels.cpu import simd, wide
from tinygen.kernels.cpu.simd import LANES


@numba.njit(fastmath=simd.FASTMATH)
def _lanes(x, y, out, narrow):
    a, b = wide.wload(x, 0), wide.wload(y, 0)
    wide.wstore(out[0], 0, a + b)
    wide.wstore(out[1], 0, a * b)
    wide.wstore(out[2], 0, wide.running_sums(a))
    wide.wstore(out[3], 0, wide.running_sums_back(a))
    wide.wstore(out[4], 0, wide.running_products(a))
    wide.wstore(out[5], 0, wide.running_products_back(a))
    wide.wstore(out[6], 0, wide.first_lane(a))
    wide.wstore(out[7], 0, wide.last_lane(a))
    wide.wstore(out[8], 0, wide.wload_first(x, 0, 3, 7.0) + wide.wfill(0.5))
    wide.wstore(out[9], 0, wide.wload_wide(out[0], 0))
    simd.vstore(narrow, 0, wide.narrowed(a * b))
    return wide.across_sum(a), wide.across_product(a)


@numba.njit(fastmath=simd.FASTMATH)
def _extremes(x, y, out):
    a, b = simd.vload(x, 0), simd.vload(y, 0)
    simd.vstore(out[0], 0, wide.greater(a, b))
    simd.vstore(out[1], 0, wide.lesser(a, b))
    return wide.across_greatest(a), wide.across_least(a), wide.greater(x[0], y[0]), wide.lesser(x[0], y[0])


def test_lanes_follow_numpy():
    rng = np.random.default_rng(0)
    x, y = (rng.normal(1, 0.1, LANES).astype(np.float32) for _ in range(2))
    out, narrow = np.empty((10, LANES)), np.empty(LANES, np.float32)
    total, product = _lanes(x, y, out, narrow)
    a, b = x.astype(np.float64), y.astype(np.float64)
    expected = [a + b, a * b, a.cumsum(), a[::-1].cumsum()[::-1], a.cumprod(), a[::-1].cumprod()[::-1]]
    expected += [np.full(LANES, a[0]), np.full(LANES, a[-1]), np.where(np.arange(LANES) < 3, a, 7) + 0.5, a + b]
    np.testing.assert_allclose(out, expected, rtol=1e-14)
    np.testing.assert_array_equal(narrow, (a * b).astype(np.float32))
    np.testing.assert_allclose([total, product], [a.sum(), a.prod()], rtol=1e-14)


@pytest.mark.parametrize("first", [np.nan, np.inf, -np.inf, 0.5])
@pytest.mark.parametrize("second", [np.nan, np.inf, -np.inf, 2.0])
def test_extremes_are_nan_where_either_is(first, second):
    x = np.linspace(-1, 1, LANES).astype(np.float32)
    y = -x
    x[0], y[0], out = first, second, np.empty((2, LANES), np.float32)
    found = _extremes(x, y, out)
    np.testing.assert_array_equal(out, [np.maximum(x, y), np.minimum(x, y)])
    np.testing.assert_array_equal(found, [x.max(), x.min(), out[0, 0], out[1, 0]])


@pytest.mark.parametrize("lane", range(LANES))
def test_nan_in_any_lane_is_the_extreme(lane):
    x = np.ones(LANES, np.float32)
    x[lane] = np.nan
    assert np.isnan(_extremes(x, x, np.empty((2, LANES), np.float32))[:2]).all()
