"""Numba sweeps for batch and group normalisation over pixel-major memory: (images, pixels, channels).

Channels lie side by side, so that sums per channel are additions of vectors. Where the channels fill no whole
number of vectors, `fold` successive pixels are taken for one with `fold` times the channels.

Moments are taken about a shift near the mean (the mean of the first sixteenth of the run) and folded into
float64 every 512 pixels; runs are merged by Chan, Golub & LeVeque (1979). The shift is at most four deviations
of the run from its mean, so no cancellation costs more than a factor of 17 over the rounding of a sum. The
stored mean is rounded to float32; the forward sweep carries the remainder, so that x - mean is exact.

Held to the definitions by tests/kernels/test_normalisation.py, with mean 10,000 and deviation 1 among others.
"""

from typing import Any

import numba
import numpy as np

from .simd import FASTMATH, LANES, vfill, vfma, vload, vload_first, vsigmoid, vstore, vstore_first, vzero

njit: Any = numba.njit
prange: Any = numba.prange

# As simd.FASTMATH without leave to reassociate: sums of x - mean must stay sums of differences.
_FLAGS = FASTMATH - {"reassoc"}

_ONE = np.float32(1)
WIDTH = 4 * LANES  # channels swept at once: memory is then read in order, and sums stay in registers
_FLUSH = 512  # pixels summed in float32 before the sums move to float64


@njit(fastmath=_FLAGS, cache=True)
def _load(x, i, left):
    """The vector at x[i:]; zero from `left` elements on."""
    return vload(x, i) if left >= LANES else vload_first(x, i, left, 0)


@njit(fastmath=_FLAGS, cache=True)
def _store(x, i, v, left):
    if left >= LANES:
        vstore(x, i, v)
    else:
        vstore_first(x, i, v, left)


@njit(fastmath=_FLAGS, cache=True)
def _store_wide(x, i, v0, v1, v2, v3, left):
    _store(x, i, v0, left)
    _store(x, i + LANES, v1, left - LANES)
    _store(x, i + 2 * LANES, v2, left - 2 * LANES)
    _store(x, i + 3 * LANES, v3, left - 3 * LANES)


@njit(fastmath=_FLAGS, cache=True)
def _sum_moments(x, start, pixels, channels, shift, s, q):
    """s = sum of x - shift, q = sum of (x - shift)^2, per channel."""
    for c in range(0, channels, WIDTH):
        i, n = start + c, channels - c
        m0, m1 = vload(shift, c), vload(shift, c + LANES)
        m2, m3 = vload(shift, c + 2 * LANES), vload(shift, c + 3 * LANES)
        s0 = s1 = s2 = s3 = q0 = q1 = q2 = q3 = vzero()
        for _ in range(pixels):
            d0 = _load(x, i, n) - m0
            d1 = _load(x, i + LANES, n - LANES) - m1
            d2 = _load(x, i + 2 * LANES, n - 2 * LANES) - m2
            d3 = _load(x, i + 3 * LANES, n - 3 * LANES) - m3
            s0, s1, s2, s3 = s0 + d0, s1 + d1, s2 + d2, s3 + d3
            q0, q1, q2, q3 = vfma(d0, d0, q0), vfma(d1, d1, q1), vfma(d2, d2, q2), vfma(d3, d3, q3)
            i += channels
        _store_wide(s, c, s0, s1, s2, s3, WIDTH)
        _store_wide(q, c, q0, q1, q2, q3, WIDTH)


@njit(fastmath=_FLAGS, cache=True)
def _sum_products(g, x, start, pixels, channels, mean, s, q):
    """s = sum of g, q = sum of g (x - mean), per channel."""
    for c in range(0, channels, WIDTH):
        i, n = start + c, channels - c
        m0, m1 = vload(mean, c), vload(mean, c + LANES)
        m2, m3 = vload(mean, c + 2 * LANES), vload(mean, c + 3 * LANES)
        s0 = s1 = s2 = s3 = q0 = q1 = q2 = q3 = vzero()
        for _ in range(pixels):
            g0, g1 = _load(g, i, n), _load(g, i + LANES, n - LANES)
            g2, g3 = _load(g, i + 2 * LANES, n - 2 * LANES), _load(g, i + 3 * LANES, n - 3 * LANES)
            q0 = vfma(g0, _load(x, i, n) - m0, q0)
            q1 = vfma(g1, _load(x, i + LANES, n - LANES) - m1, q1)
            q2 = vfma(g2, _load(x, i + 2 * LANES, n - 2 * LANES) - m2, q2)
            q3 = vfma(g3, _load(x, i + 3 * LANES, n - 3 * LANES) - m3, q3)
            s0, s1, s2, s3 = s0 + g0, s1 + g1, s2 + g2, s3 + g3
            i += channels
        _store_wide(s, c, s0, s1, s2, s3, WIDTH)
        _store_wide(q, c, q0, q1, q2, q3, WIDTH)


@njit(fastmath=_FLAGS, cache=True)
def _moments(x, start, pixels, channels, work, mean, square):
    """mean and sum of squared deviations per channel (float64) of the `pixels` from element `start` on."""
    shift, s, q = work[0], work[1], work[2]
    first = (pixels + 15) // 16
    shift[:] = 0
    _sum_moments(x, start, first, channels, shift, s, q)
    for c in range(channels):
        shift[c] = s[c] / np.float32(first)
    mean[:] = 0
    square[:] = 0
    for p in range(0, pixels, _FLUSH):
        _sum_moments(x, start + p * channels, min(_FLUSH, pixels - p), channels, shift, s, q)
        for c in range(channels):
            mean[c] += s[c]
            square[c] += q[c]
    for c in range(channels):
        d = mean[c] / pixels
        square[c] -= mean[c] * d
        if square[c] < 0:  # by rounding; written so that NaN stays
            square[c] = 0
        mean[c] = shift[c] + d


@njit(fastmath=_FLAGS, cache=True)
def _products(g, x, start, pixels, channels, mean, work, s64, q64):
    """s64 = sum of g, q64 = sum of g (x - mean), per channel (float64)."""
    s, q = work[0], work[1]
    s64[:] = 0
    q64[:] = 0
    for p in range(0, pixels, _FLUSH):
        _sum_products(g, x, start + p * channels, min(_FLUSH, pixels - p), channels, mean, s, q)
        for c in range(channels):
            s64[c] += s[c]
            q64[c] += q[c]


@njit(fastmath=_FLAGS, cache=True)
def _scaled(x, i, n, mean, scale, offset):
    """(x - mean) scale + offset."""
    return vfma(_load(x, i, n) - mean, scale, offset)


@njit(fastmath=_FLAGS, cache=True)
def _silu(z):
    return z * vsigmoid(z)


@njit(fastmath=_FLAGS, cache=True)
def _silu_slope(z):
    t = vsigmoid(z)
    return t * vfma(z, vfill(_ONE) - t, vfill(_ONE))


@njit(fastmath=_FLAGS, cache=True)
def _affine(x, y, start, pixels, channels, mean, scale, offset, silu):
    """y = (x - mean) scale + offset, through z sigmoid(z) under `silu`."""
    for c in range(0, channels, WIDTH):
        i, n = start + c, channels - c
        m0, k0, b0 = vload(mean, c), vload(scale, c), vload(offset, c)
        m1, k1, b1 = vload(mean, c + LANES), vload(scale, c + LANES), vload(offset, c + LANES)
        m2, k2, b2 = vload(mean, c + 2 * LANES), vload(scale, c + 2 * LANES), vload(offset, c + 2 * LANES)
        m3, k3, b3 = vload(mean, c + 3 * LANES), vload(scale, c + 3 * LANES), vload(offset, c + 3 * LANES)
        for _ in range(pixels):
            z0 = _scaled(x, i, n, m0, k0, b0)
            z1 = _scaled(x, i + LANES, n - LANES, m1, k1, b1)
            z2 = _scaled(x, i + 2 * LANES, n - 2 * LANES, m2, k2, b2)
            z3 = _scaled(x, i + 3 * LANES, n - 3 * LANES, m3, k3, b3)
            if silu:
                z0, z1, z2, z3 = _silu(z0), _silu(z1), _silu(z2), _silu(z3)
            _store_wide(y, i, z0, z1, z2, z3, n)
            i += channels


@njit(fastmath=_FLAGS, cache=True)
def _silu_gradient(g, x, y, start, pixels, channels, mean, scale, offset):
    """y = g times the slope of silu at (x - mean) scale + offset."""
    for c in range(0, channels, WIDTH):
        i, n = start + c, channels - c
        m0, k0, b0 = vload(mean, c), vload(scale, c), vload(offset, c)
        m1, k1, b1 = vload(mean, c + LANES), vload(scale, c + LANES), vload(offset, c + LANES)
        m2, k2, b2 = vload(mean, c + 2 * LANES), vload(scale, c + 2 * LANES), vload(offset, c + 2 * LANES)
        m3, k3, b3 = vload(mean, c + 3 * LANES), vload(scale, c + 3 * LANES), vload(offset, c + 3 * LANES)
        for _ in range(pixels):
            h0 = _load(g, i, n) * _silu_slope(_scaled(x, i, n, m0, k0, b0))
            j, l = i + LANES, n - LANES
            h1 = _load(g, j, l) * _silu_slope(_scaled(x, j, l, m1, k1, b1))
            j, l = i + 2 * LANES, n - 2 * LANES
            h2 = _load(g, j, l) * _silu_slope(_scaled(x, j, l, m2, k2, b2))
            j, l = i + 3 * LANES, n - 3 * LANES
            h3 = _load(g, j, l) * _silu_slope(_scaled(x, j, l, m3, k3, b3))
            _store_wide(y, i, h0, h1, h2, h3, n)
            i += channels


@njit(fastmath=_FLAGS, cache=True)
def _combine(g, x, y, start, pixels, channels, mean, of_g, of_x, offset):
    """y = g of_g + (x - mean) of_x + offset."""
    for c in range(0, channels, WIDTH):
        i, n = start + c, channels - c
        m0, k0, b0, a0 = vload(mean, c), vload(of_x, c), vload(offset, c), vload(of_g, c)
        j = c + LANES
        m1, k1, b1, a1 = vload(mean, j), vload(of_x, j), vload(offset, j), vload(of_g, j)
        j = c + 2 * LANES
        m2, k2, b2, a2 = vload(mean, j), vload(of_x, j), vload(offset, j), vload(of_g, j)
        j = c + 3 * LANES
        m3, k3, b3, a3 = vload(mean, j), vload(of_x, j), vload(offset, j), vload(of_g, j)
        for _ in range(pixels):
            y0 = vfma(_load(g, i, n), a0, _scaled(x, i, n, m0, k0, b0))
            j, l = i + LANES, n - LANES
            y1 = vfma(_load(g, j, l), a1, _scaled(x, j, l, m1, k1, b1))
            j, l = i + 2 * LANES, n - 2 * LANES
            y2 = vfma(_load(g, j, l), a2, _scaled(x, j, l, m2, k2, b2))
            j, l = i + 3 * LANES, n - 3 * LANES
            y3 = vfma(_load(g, j, l), a3, _scaled(x, j, l, m3, k3, b3))
            _store_wide(y, i, y0, y1, y2, y3, n)
            i += channels


@njit(fastmath=_FLAGS, cache=True)
def _padded(channels):
    return (channels + WIDTH - 1) // WIDTH * WIDTH


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def group_norm_sweep(x, y, fold, weight, bias, eps, mean, rstd, silu, parts):
    """y, mean and rstd (N, G) from x (N, pixels, fold C). Threads take whole images."""
    images, pixels, width = x.shape
    channels, groups = width // fold, mean.shape[1]
    size = channels // groups
    for part in prange(parts):
        work = np.zeros((4, _padded(width)), np.float32)
        moments = np.empty((2, width))
        m, square = moments[0], moments[1]
        for n in range(images * part // parts, images * (part + 1) // parts):
            start = n * pixels * width
            _moments(x, start, pixels, width, work, m, square)
            for k in range(groups):
                centre, spread = 0.0, 0.0
                for f in range(k * size, width, channels):
                    for c in range(f, f + size):
                        centre += m[c]
                centre /= size * fold
                for f in range(k * size, width, channels):
                    for c in range(f, f + size):
                        spread += square[c] + pixels * (m[c] - centre) * (m[c] - centre)
                r = 1 / np.sqrt(spread / (pixels * size * fold) + eps)
                mean[n, k] = centre
                rstd[n, k] = r
                remainder = centre - mean[n, k]
                for f in range(0, width, channels):
                    for c in range(k * size, (k + 1) * size):
                        work[1, f + c] = mean[n, k]
                        work[2, f + c] = weight[c] * r
                        work[3, f + c] = bias[c] - remainder * weight[c] * r
            _affine(x, y, start, pixels, width, work[1], work[2], work[3], silu)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def group_norm_backward_sweep(g, x, dx, fold, weight, bias, mean, rstd, silu, sums, parts):
    """dx like x (N, pixels, fold C), and for each thread sums[part] = (dweight, dbias) (2, C) in float64."""
    images, pixels, width = x.shape
    channels, groups = width // fold, mean.shape[1]
    size = channels // groups
    for part in prange(parts):
        work = np.zeros((6, _padded(width)), np.float32)
        products = np.empty((2, width))
        s, q = products[0], products[1]
        sums[part] = 0
        for n in range(images * part // parts, images * (part + 1) // parts):
            start = n * pixels * width
            for f in range(0, width, channels):
                for c in range(channels):
                    work[2, f + c] = mean[n, c // size]
                    work[3, f + c] = weight[c] * rstd[n, c // size]
                    work[4, f + c] = bias[c]
            if silu:  # dx holds the cotangent of the affine map until the last sweep
                _silu_gradient(g, x, dx, start, pixels, width, work[2], work[3], work[4])
                _products(dx, x, start, pixels, width, work[2], work, s, q)
            else:
                _products(g, x, start, pixels, width, work[2], work, s, q)
            for k in range(groups):
                r, along_one, along_x_hat = np.float64(rstd[n, k]), 0.0, 0.0
                for f in range(0, width, channels):
                    for c in range(k * size, (k + 1) * size):
                        sums[part, 0, c] += q[f + c] * r
                        sums[part, 1, c] += s[f + c]
                        along_one += weight[c] * s[f + c]
                        along_x_hat += weight[c] * q[f + c] * r
                count = pixels * size * fold
                for f in range(k * size, width, channels):
                    for c in range(f, f + size):
                        work[4, c] = -r * r * along_x_hat / count
                        work[5, c] = -r * along_one / count
            _combine(dx if silu else g, x, dx, start, pixels, width, work[2], work[3], work[4], work[5])


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def batch_norm_sweep(x, y, fold, weight, bias, eps, mean, rstd, parts):
    """y, mean and rstd (C,) from x (pixels, fold C). Threads take runs of pixels."""
    pixels, width = x.shape
    channels = width // fold
    moments = np.empty((parts, 2, width))
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        work = np.zeros((3, _padded(width)), np.float32)
        _moments(x, first * width, last - first, width, work, moments[part, 0], moments[part, 1])
    coefficients = np.zeros((3, _padded(width)), np.float32)
    for c in range(channels):
        centre, spread = 0.0, 0.0
        for part in range(parts):
            run = pixels * (part + 1) // parts - pixels * part // parts
            for f in range(c, width, channels):
                centre += moments[part, 0, f] * run
        centre /= pixels * fold
        for part in range(parts):
            run = pixels * (part + 1) // parts - pixels * part // parts
            for f in range(c, width, channels):
                d = moments[part, 0, f] - centre
                spread += moments[part, 1, f] + run * d * d
        r = 1 / np.sqrt(spread / (pixels * fold) + eps)
        mean[c] = centre
        rstd[c] = r
        remainder = centre - mean[c]
        for f in range(c, width, channels):
            coefficients[0, f] = mean[c]
            coefficients[1, f] = weight[c] * r
            coefficients[2, f] = bias[c] - remainder * weight[c] * r
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        m, k, b = coefficients[0], coefficients[1], coefficients[2]
        _affine(x, y, first * width, last - first, width, m, k, b, False)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def batch_norm_backward_sweep(g, x, dx, fold, weight, mean, rstd, dweight, dbias, parts):
    """dx like x (pixels, fold C), dweight (C,), dbias (C,)."""
    pixels, width = x.shape
    channels = width // fold
    sums = np.empty((parts, 2, width))
    coefficients = np.zeros((4, _padded(width)), np.float32)
    for c in range(width):
        coefficients[0, c] = mean[c % channels]
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        work = np.empty((2, _padded(width)), np.float32)
        s, q = sums[part, 0], sums[part, 1]
        _products(g, x, first * width, last - first, width, coefficients[0], work, s, q)
    for c in range(channels):
        s, q, r = 0.0, 0.0, np.float64(rstd[c])
        for part in range(parts):
            for f in range(c, width, channels):
                s += sums[part, 0, f]
                q += sums[part, 1, f]
        dweight[c] = q * r
        dbias[c] = s
        for f in range(c, width, channels):
            coefficients[1, f] = weight[c] * r
            coefficients[2, f] = -weight[c] * r * r * r * q / (pixels * fold)
            coefficients[3, f] = -weight[c] * r * s / (pixels * fold)
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        m, of_g, of_x, offset = coefficients[0], coefficients[1], coefficients[2], coefficients[3]
        _combine(g, x, dx, first * width, last - first, width, m, of_g, of_x, offset)
