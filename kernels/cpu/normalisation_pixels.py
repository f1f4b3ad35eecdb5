"""Numba sweeps for batch and group normalisation over pixel-major memory: (images, pixels, channels).

Channels lie side by side, so sums per channel are vector additions, four pixels at a time. Moments are taken
about a shift near the mean (the mean of the first sixteenth of the run) and folded into float64 every 512
pixels; runs are merged by Chan, Golub & LeVeque (1979). The shift's distance from the mean is then at most
four deviations of the run, so that no cancellation can cost more than a factor of 17 over the rounding of a
sum. The stored mean is rounded to float32; the forward sweep carries the remainder, so that x - mean is
exact.

Held to the definitions by tests/kernels/test_normalisation.py, with mean 10,000 and deviation 1 among others.
"""

from typing import Any

import numba
import numpy as np

from .simd import FASTMATH, LANES, vfill, vfma, vload, vload_first, vsigmoid, vstore, vstore_first

njit: Any = numba.njit
prange: Any = numba.prange

_ONE = np.float32(1)
_FLUSH = 512  # pixels summed in float32 before the sums move to float64


@njit(fastmath=FASTMATH, cache=True)
def _load(x, i, left):
    """The vector at x[i:]; zero from `left` elements on."""
    return vload(x, i) if left >= LANES else vload_first(x, i, left, 0)


@njit(fastmath=FASTMATH, cache=True)
def _store(x, i, v, left):
    if left >= LANES:
        vstore(x, i, v)
    else:
        vstore_first(x, i, v, left)


@njit(fastmath=FASTMATH, cache=True)
def _add_moments(x, start, pixels, channels, shift, s, q):
    """s += sum of x - shift, q += sum of (x - shift)^2, per channel; s, q, shift are whole vectors."""
    whole = pixels // 4 * 4
    for p in range(0, whole, 4):
        i = start + p * channels
        for c in range(0, channels, LANES):
            left, centre = channels - c, vload(shift, c)
            d0 = _load(x, i + c, left) - centre
            d1 = _load(x, i + channels + c, left) - centre
            d2 = _load(x, i + 2 * channels + c, left) - centre
            d3 = _load(x, i + 3 * channels + c, left) - centre
            vstore(s, c, vload(s, c) + ((d0 + d1) + (d2 + d3)))
            vstore(q, c, vfma(d0, d0, vfma(d1, d1, vfma(d2, d2, vfma(d3, d3, vload(q, c))))))
    for p in range(whole, pixels):
        for c in range(0, channels, LANES):
            d = _load(x, start + p * channels + c, channels - c) - vload(shift, c)
            vstore(s, c, vload(s, c) + d)
            vstore(q, c, vfma(d, d, vload(q, c)))


@njit(fastmath=FASTMATH, cache=True)
def _add_products(g, x, start, pixels, channels, mean, s, q):
    """s += sum of g, q += sum of g (x - mean), per channel."""
    whole = pixels // 4 * 4
    for p in range(0, whole, 4):
        i = start + p * channels
        for c in range(0, channels, LANES):
            left, centre, j = channels - c, vload(mean, c), i + c
            g0, d0 = _load(g, j, left), _load(x, j, left) - centre
            j += channels
            g1, d1 = _load(g, j, left), _load(x, j, left) - centre
            j += channels
            g2, d2 = _load(g, j, left), _load(x, j, left) - centre
            j += channels
            g3, d3 = _load(g, j, left), _load(x, j, left) - centre
            vstore(s, c, vload(s, c) + ((g0 + g1) + (g2 + g3)))
            vstore(q, c, vfma(g0, d0, vfma(g1, d1, vfma(g2, d2, vfma(g3, d3, vload(q, c))))))
    for p in range(whole, pixels):
        for c in range(0, channels, LANES):
            i, left = start + p * channels + c, channels - c
            v = _load(g, i, left)
            vstore(s, c, vload(s, c) + v)
            vstore(q, c, vfma(v, _load(x, i, left) - vload(mean, c), vload(q, c)))


@njit(fastmath=FASTMATH, cache=True)
def _moments(x, start, pixels, channels, work, mean, square):
    """mean and sum of squared deviations per channel (float64) of the `pixels` from element `start` on."""
    shift, s, q = work[0], work[1], work[2]
    shift[:] = 0
    s[:] = 0
    first = (pixels + 15) // 16
    _add_moments(x, start, first, channels, shift, s, q)
    for c in range(channels):
        shift[c] = s[c] / np.float32(first)
        mean[c] = 0
        square[c] = 0
    for p in range(0, pixels, _FLUSH):
        s[:] = 0
        q[:] = 0
        _add_moments(x, start + p * channels, min(_FLUSH, pixels - p), channels, shift, s, q)
        for c in range(channels):
            mean[c] += s[c]
            square[c] += q[c]
    for c in range(channels):
        d = mean[c] / pixels
        square[c] = max(square[c] - mean[c] * d, 0.0) if square[c] == square[c] else square[c]
        mean[c] = shift[c] + d


@njit(fastmath=FASTMATH, cache=True)
def _products(g, x, start, pixels, channels, mean, work, s64, q64):
    """s64 = sum of g, q64 = sum of g (x - mean), per channel (float64)."""
    s, q = work[0], work[1]
    for c in range(channels):
        s64[c] = 0
        q64[c] = 0
    for p in range(0, pixels, _FLUSH):
        s[:] = 0
        q[:] = 0
        _add_products(g, x, start + p * channels, min(_FLUSH, pixels - p), channels, mean, s, q)
        for c in range(channels):
            s64[c] += s[c]
            q64[c] += q[c]


@njit(fastmath=FASTMATH, cache=True)
def _affine(x, y, start, pixels, channels, mean, scale, offset, silu):
    """y = (x - mean) scale + offset, through z sigmoid(z) under `silu`."""
    for p in range(pixels):
        i = start + p * channels
        for c in range(0, channels, LANES):
            left = channels - c
            z = vfma(_load(x, i + c, left) - vload(mean, c), vload(scale, c), vload(offset, c))
            _store(y, i + c, z * vsigmoid(z) if silu else z, left)


@njit(fastmath=FASTMATH, cache=True)
def _silu_gradient(g, x, y, start, pixels, channels, mean, scale, offset):
    """y = g times the slope of silu at (x - mean) scale + offset."""
    for p in range(pixels):
        i = start + p * channels
        for c in range(0, channels, LANES):
            left = channels - c
            z = vfma(_load(x, i + c, left) - vload(mean, c), vload(scale, c), vload(offset, c))
            t = vsigmoid(z)
            slope = t * vfma(z, vfill(_ONE) - t, vfill(_ONE))
            _store(y, i + c, _load(g, i + c, left) * slope, left)


@njit(fastmath=FASTMATH, cache=True)
def _combine(g, x, y, start, pixels, channels, mean, of_g, of_x, offset):
    """y = g of_g + (x - mean) of_x + offset."""
    for p in range(pixels):
        i = start + p * channels
        for c in range(0, channels, LANES):
            left = channels - c
            d = vfma(_load(x, i + c, left) - vload(mean, c), vload(of_x, c), vload(offset, c))
            _store(y, i + c, vfma(_load(g, i + c, left), vload(of_g, c), d), left)


@njit(fastmath=FASTMATH, cache=True)
def _padded(channels):
    return (channels + LANES - 1) // LANES * LANES


@njit(parallel=True, fastmath=FASTMATH, cache=True)
def group_norm_sweep(x, y, weight, bias, eps, mean, rstd, silu, parts):
    """y, mean, rstd from x (N, pixels, C); mean and rstd (N, G). Threads take whole images."""
    images, pixels, channels = x.shape
    groups = mean.shape[1]
    size = channels // groups
    for part in prange(parts):
        work = np.zeros((4, _padded(channels)), np.float32)
        moments = np.empty((2, channels))
        m, square = moments[0], moments[1]
        for n in range(images * part // parts, images * (part + 1) // parts):
            start = n * pixels * channels
            _moments(x, start, pixels, channels, work, m, square)
            for k in range(groups):
                total, spread = 0.0, 0.0
                for c in range(k * size, (k + 1) * size):
                    total += m[c]
                centre = total / size
                for c in range(k * size, (k + 1) * size):
                    spread += square[c] + pixels * (m[c] - centre) * (m[c] - centre)
                r = 1 / np.sqrt(spread / (pixels * size) + eps)
                mean[n, k] = centre
                rstd[n, k] = r
                remainder = centre - mean[n, k]
                for c in range(k * size, (k + 1) * size):
                    work[1, c] = mean[n, k]
                    work[2, c] = weight[c] * r
                    work[3, c] = bias[c] - remainder * weight[c] * r
            _affine(x, y, start, pixels, channels, work[1], work[2], work[3], silu)


@njit(parallel=True, fastmath=FASTMATH, cache=True)
def group_norm_backward_sweep(g, x, dx, weight, bias, mean, rstd, silu, sums, parts):
    """dx like x (N, pixels, C), and per thread sums[part] = (dweight, dbias) (parts, 2, C), float64."""
    images, pixels, channels = x.shape
    groups = mean.shape[1]
    size = channels // groups
    for part in prange(parts):
        work = np.zeros((6, _padded(channels)), np.float32)
        products = np.empty((2, channels))
        s, q = products[0], products[1]
        sums[part] = 0
        for n in range(images * part // parts, images * (part + 1) // parts):
            start = n * pixels * channels
            for c in range(channels):
                k = c // size
                work[2, c] = mean[n, k]
                work[3, c] = weight[c] * rstd[n, k]
                work[4, c] = bias[c]
            if silu:  # dx holds the cotangent of the affine map until the last sweep
                _silu_gradient(g, x, dx, start, pixels, channels, work[2], work[3], work[4])
                _products(dx, x, start, pixels, channels, work[2], work, s, q)
            else:
                _products(g, x, start, pixels, channels, work[2], work, s, q)
            for k in range(groups):
                r, along_one, along_x_hat = np.float64(rstd[n, k]), 0.0, 0.0
                for c in range(k * size, (k + 1) * size):
                    q[c] *= r
                    sums[part, 0, c] += q[c]
                    sums[part, 1, c] += s[c]
                    along_one += weight[c] * s[c]
                    along_x_hat += weight[c] * q[c]
                for c in range(k * size, (k + 1) * size):
                    work[4, c] = -r * r * along_x_hat / (pixels * size)
                    work[5, c] = -r * along_one / (pixels * size)
            _combine(dx if silu else g, x, dx, start, pixels, channels, work[2], work[3], work[4], work[5])


@njit(parallel=True, fastmath=FASTMATH, cache=True)
def batch_norm_sweep(x, y, weight, bias, eps, mean, rstd, parts):
    """y, mean, rstd from x (pixels, C); mean and rstd (C,). Threads take runs of pixels."""
    pixels, channels = x.shape
    moments = np.empty((parts, 2, channels))
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        work = np.zeros((3, _padded(channels)), np.float32)
        _moments(x, first * channels, last - first, channels, work, moments[part, 0], moments[part, 1])
    coefficients = np.zeros((3, _padded(channels)), np.float32)
    for c in range(channels):
        centre, spread = 0.0, 0.0
        for part in range(parts):
            run = pixels * (part + 1) // parts - pixels * part // parts
            centre += moments[part, 0, c] * run / pixels
        for part in range(parts):
            run = pixels * (part + 1) // parts - pixels * part // parts
            d = moments[part, 0, c] - centre
            spread += moments[part, 1, c] + run * d * d
        r = 1 / np.sqrt(spread / pixels + eps)
        mean[c] = centre
        rstd[c] = r
        coefficients[0, c] = mean[c]
        coefficients[1, c] = weight[c] * r
        coefficients[2, c] = bias[c] - (centre - mean[c]) * weight[c] * r
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        m, k, b = coefficients[0], coefficients[1], coefficients[2]
        _affine(x, y, first * channels, last - first, channels, m, k, b, False)


@njit(parallel=True, fastmath=FASTMATH, cache=True)
def batch_norm_backward_sweep(g, x, dx, weight, mean, rstd, dweight, dbias, parts):
    """dx like x (pixels, C), dweight (C,), dbias (C,)."""
    pixels, channels = x.shape
    sums = np.empty((parts, 2, channels))
    coefficients = np.zeros((4, _padded(channels)), np.float32)
    coefficients[0, :channels] = mean
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        work = np.empty((2, _padded(channels)), np.float32)
        s, q = sums[part, 0], sums[part, 1]
        _products(g, x, first * channels, last - first, channels, coefficients[0], work, s, q)
    for c in range(channels):
        s, q, r = 0.0, 0.0, np.float64(rstd[c])
        for part in range(parts):
            s += sums[part, 0, c]
            q += sums[part, 1, c]
        dweight[c] = q * r
        dbias[c] = s
        coefficients[1, c] = weight[c] * r
        coefficients[2, c] = -weight[c] * r * r * r * q / pixels
        coefficients[3, c] = -weight[c] * r * s / pixels
    for part in prange(parts):
        first, last = pixels * part // parts, pixels * (part + 1) // parts
        m, of_g, of_x, offset = coefficients[0], coefficients[1], coefficients[2], coefficients[3]
        _combine(g, x, dx, first * channels, last - first, channels, m, of_g, of_x, offset)
