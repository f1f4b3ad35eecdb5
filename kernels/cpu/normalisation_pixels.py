"""What batch and group normalisation do to one run of pixels in pixel-major memory: (pixels, channels).

Channels lie side by side, so that sums per channel are additions of vectors. Where the channels fill no whole
number of vectors, the caller folds: `fold` successive pixels are one with `fold` times the channels.

Moments are taken about a shift near the mean (the mean of the first sixteenth of the run) and folded into
float64 every 512 pixels. The shift is at most four deviations of the run from its mean, so no cancellation
costs more than a factor of 17 over the rounding of a sum.

Held to the definitions by tests/kernels/test_normalisation.py, with mean 10,000 and deviation 1 among others.
"""

from typing import Any

import numpy as np

from .compiled import njit, routine
from .packing import load_vector, store_vector
from .rectifier import lowered
from .simd import FASTMATH, LANES, vfill, vfma, vload, vsigmoid, vstore, vwhere_less, vzero
from .streaming import put_vector

# No leave to reassociate: sums of x - mean must stay sums of differences.
OPTIONS: Any = {"fastmath": FASTMATH - {"reassoc"}}

_ONE = np.float32(1)
WIDTH = 4 * LANES  # channels swept at once: memory is then read in order, and sums stay in registers
_FLUSH = 512  # pixels summed in float32 before the sums move to float64


@njit(**OPTIONS)
def _load4(x, i):
    return vload(x, i), vload(x, i + LANES), vload(x, i + 2 * LANES), vload(x, i + 3 * LANES)


@njit(**OPTIONS)
def _store4(x, i, v0, v1, v2, v3):
    vstore(x, i, v0)
    vstore(x, i + LANES, v1)
    vstore(x, i + 2 * LANES, v2)
    vstore(x, i + 3 * LANES, v3)


@njit(**OPTIONS)
def _sum_moments(x, start, pixels, channels, shift, s, q):
    """s = sum of x - shift, q = sum of (x - shift)^2, per channel."""
    whole = channels - channels % WIDTH
    for c in range(0, whole, WIDTH):
        i = start + c
        m0, m1, m2, m3 = _load4(shift, c)
        s0 = s1 = s2 = s3 = q0 = q1 = q2 = q3 = vzero()
        for _ in range(pixels):
            x0, x1, x2, x3 = _load4(x, i)
            d0, d1, d2, d3 = x0 - m0, x1 - m1, x2 - m2, x3 - m3
            s0, s1, s2, s3 = s0 + d0, s1 + d1, s2 + d2, s3 + d3
            q0, q1, q2, q3 = vfma(d0, d0, q0), vfma(d1, d1, q1), vfma(d2, d2, q2), vfma(d3, d3, q3)
            i += channels
        _store4(s, c, s0, s1, s2, s3)
        _store4(q, c, q0, q1, q2, q3)
    for c in range(whole, channels, LANES):
        m, s0, q0 = vload(shift, c), vzero(), vzero()
        for i in range(start + c, start + c + pixels * channels, channels):
            d = load_vector(x, i, channels - c, 0) - m
            s0, q0 = s0 + d, vfma(d, d, q0)
        vstore(s, c, s0)
        vstore(q, c, q0)


@njit(**OPTIONS)
def _sum_products(g, x, start, pixels, channels, mean, s, q):
    """s = sum of g, q = sum of g (x - mean), per channel."""
    whole = channels - channels % WIDTH
    for c in range(0, whole, WIDTH):
        i = start + c
        m0, m1, m2, m3 = _load4(mean, c)
        s0 = s1 = s2 = s3 = q0 = q1 = q2 = q3 = vzero()
        for _ in range(pixels):
            g0, g1, g2, g3 = _load4(g, i)
            x0, x1, x2, x3 = _load4(x, i)
            s0, s1, s2, s3 = s0 + g0, s1 + g1, s2 + g2, s3 + g3
            q0, q1 = vfma(g0, x0 - m0, q0), vfma(g1, x1 - m1, q1)
            q2, q3 = vfma(g2, x2 - m2, q2), vfma(g3, x3 - m3, q3)
            i += channels
        _store4(s, c, s0, s1, s2, s3)
        _store4(q, c, q0, q1, q2, q3)
    for c in range(whole, channels, LANES):
        m, s0, q0 = vload(mean, c), vzero(), vzero()
        for i in range(start + c, start + c + pixels * channels, channels):
            h = load_vector(g, i, channels - c, 0)
            s0, q0 = s0 + h, vfma(h, load_vector(x, i, channels - c, 0) - m, q0)
        vstore(s, c, s0)
        vstore(q, c, q0)


@routine("f n n n m d d", **OPTIONS)
def moments_of(x, start, pixels, channels, work, mean, square):
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


@routine("f f n n n f m d d", **OPTIONS)
def products_of(g, x, start, pixels, channels, mean, work, s64, q64):
    """s64 = sum of g, q64 = sum of g (x - mean), per channel (float64)."""
    s, q = work[0], work[1]
    s64[:] = 0
    q64[:] = 0
    for p in range(0, pixels, _FLUSH):
        _sum_products(g, x, start + p * channels, min(_FLUSH, pixels - p), channels, mean, s, q)
        for c in range(channels):
            s64[c] += s[c]
            q64[c] += q[c]


@routine("f f f f n n n f x m d d", **OPTIONS)
def rectified_products_of(g, x, y, h, start, pixels, channels, mean, slope, work, s64, q64):
    """`products_of` for h, which is g where y is above 0 and slope g elsewhere. h may be g."""
    s, q, low = work[0], work[1], vfill(slope)
    s64[:] = 0
    q64[:] = 0
    for p in range(0, pixels, _FLUSH):
        run = min(_FLUSH, pixels - p)
        first, last = start + p * channels, start + (p + run) * channels
        for i in range(first, last, LANES):
            u = load_vector(g, i, last - i, 0)
            v = vwhere_less(vzero(), load_vector(y, i, last - i, 0), u, lowered(u, low))
            store_vector(h, i, last - i, v)
        _sum_products(h, x, first, run, channels, mean, s, q)
        for c in range(channels):
            s64[c] += s[c]
            q64[c] += q[c]


@njit(**OPTIONS)
def _silu(z):
    return z * vsigmoid(z)


@njit(**OPTIONS)
def _silu_slope(z):
    t = vsigmoid(z)
    return t * vfma(z, vfill(_ONE) - t, vfill(_ONE))


@njit(**OPTIONS)
def _sum_silu_products(g, x, y, start, pixels, channels, mean, scale, offset, s, q):
    """y = h = g times the slope of silu at (x - mean) scale + offset; s = sum of h, q = sum of h (x - mean)."""
    whole = channels - channels % WIDTH
    for c in range(0, whole, WIDTH):
        i = start + c
        m0, m1, m2, m3 = _load4(mean, c)
        k0, k1, k2, k3 = _load4(scale, c)
        b0, b1, b2, b3 = _load4(offset, c)
        s0 = s1 = s2 = s3 = q0 = q1 = q2 = q3 = vzero()
        for _ in range(pixels):
            g0, g1, g2, g3 = _load4(g, i)
            x0, x1, x2, x3 = _load4(x, i)
            d0, d1, d2, d3 = x0 - m0, x1 - m1, x2 - m2, x3 - m3
            h0, h1 = g0 * _silu_slope(vfma(d0, k0, b0)), g1 * _silu_slope(vfma(d1, k1, b1))
            h2, h3 = g2 * _silu_slope(vfma(d2, k2, b2)), g3 * _silu_slope(vfma(d3, k3, b3))
            _store4(y, i, h0, h1, h2, h3)
            s0, s1, s2, s3 = s0 + h0, s1 + h1, s2 + h2, s3 + h3
            q0, q1, q2, q3 = vfma(h0, d0, q0), vfma(h1, d1, q1), vfma(h2, d2, q2), vfma(h3, d3, q3)
            i += channels
        _store4(s, c, s0, s1, s2, s3)
        _store4(q, c, q0, q1, q2, q3)
    for c in range(whole, channels, LANES):
        m, k, b, s0, q0 = vload(mean, c), vload(scale, c), vload(offset, c), vzero(), vzero()
        for i in range(start + c, start + c + pixels * channels, channels):
            d = load_vector(x, i, channels - c, 0) - m
            h = load_vector(g, i, channels - c, 0) * _silu_slope(vfma(d, k, b))
            store_vector(y, i, channels - c, h)
            s0, q0 = s0 + h, vfma(h, d, q0)
        vstore(s, c, s0)
        vstore(q, c, q0)


@routine("f f f n n n f f f m d d", **OPTIONS)
def silu_products_of(g, x, y, start, pixels, channels, mean, scale, offset, work, s64, q64):
    """`products_of` for h, g times the slope of silu at (x - mean) scale + offset, which is left in y."""
    s, q = work[0], work[1]
    s64[:] = 0
    q64[:] = 0
    for p in range(0, pixels, _FLUSH):
        at, run = start + p * channels, min(_FLUSH, pixels - p)
        _sum_silu_products(g, x, y, at, run, channels, mean, scale, offset, s, q)
        for c in range(channels):
            s64[c] += s[c]
            q64[c] += q[c]


@njit(**OPTIONS)
def bent(z, silu, slope):
    """z sigmoid(z) under `silu`, else slope z where z is below 0. A NaN is not below 0."""
    return _silu(z) if silu else vwhere_less(z, vzero(), lowered(z, slope), z)


@routine("f f n n n f f f n x n", **OPTIONS)
def affine(x, y, start, pixels, channels, mean, scale, offset, silu, negative_slope, past):
    """y = (x - mean) scale + offset, through z sigmoid(z) under `silu`, else negative values times a slope; with `past`
    stored past the caches, in the order of memory."""
    slope = vfill(negative_slope)
    if past:
        for first in range(start, start + pixels * channels, channels):
            for c in range(0, channels, LANES):
                z = vfma(vload(x, first + c) - vload(mean, c), vload(scale, c), vload(offset, c))
                put_vector(y, first + c, LANES, bent(z, silu, slope), past)
        return
    whole = channels - channels % WIDTH
    for c in range(0, whole, WIDTH):
        i = start + c
        m0, m1, m2, m3 = _load4(mean, c)
        k0, k1, k2, k3 = _load4(scale, c)
        b0, b1, b2, b3 = _load4(offset, c)
        for _ in range(pixels):
            x0, x1, x2, x3 = _load4(x, i)
            z0, z1 = vfma(x0 - m0, k0, b0), vfma(x1 - m1, k1, b1)
            z2, z3 = vfma(x2 - m2, k2, b2), vfma(x3 - m3, k3, b3)
            z0, z1, z2, z3 = (
                bent(z0, silu, slope),
                bent(z1, silu, slope),
                bent(z2, silu, slope),
                bent(z3, silu, slope),
            )
            _store4(y, i, z0, z1, z2, z3)
            i += channels
    for c in range(whole, channels, LANES):
        m, k, b = vload(mean, c), vload(scale, c), vload(offset, c)
        for i in range(start + c, start + c + pixels * channels, channels):
            z = vfma(load_vector(x, i, channels - c, 0) - m, k, b)
            store_vector(y, i, channels - c, bent(z, silu, slope))


@routine("f f f n n n f f f f n", **OPTIONS)
def combine(g, x, y, start, pixels, channels, mean, of_g, of_x, offset, past):
    """y = g of_g + (x - mean) of_x + offset; `past` as in `affine`."""
    if past:
        for first in range(start, start + pixels * channels, channels):
            for c in range(0, channels, LANES):
                z = vfma(vload(x, first + c) - vload(mean, c), vload(of_x, c), vload(offset, c))
                put_vector(y, first + c, LANES, vfma(vload(g, first + c), vload(of_g, c), z), past)
        return
    whole = channels - channels % WIDTH
    for c in range(0, whole, WIDTH):
        i = start + c
        m0, m1, m2, m3 = _load4(mean, c)
        a0, a1, a2, a3 = _load4(of_g, c)
        k0, k1, k2, k3 = _load4(of_x, c)
        b0, b1, b2, b3 = _load4(offset, c)
        for _ in range(pixels):
            g0, g1, g2, g3 = _load4(g, i)
            x0, x1, x2, x3 = _load4(x, i)
            y0, y1 = vfma(g0, a0, vfma(x0 - m0, k0, b0)), vfma(g1, a1, vfma(x1 - m1, k1, b1))
            y2, y3 = vfma(g2, a2, vfma(x2 - m2, k2, b2)), vfma(g3, a3, vfma(x3 - m3, k3, b3))
            _store4(y, i, y0, y1, y2, y3)
            i += channels
    for c in range(whole, channels, LANES):
        m, a, k, b = vload(mean, c), vload(of_g, c), vload(of_x, c), vload(offset, c)
        for i in range(start + c, start + c + pixels * channels, channels):
            z = vfma(load_vector(x, i, channels - c, 0) - m, k, b)
            store_vector(y, i, channels - c, vfma(load_vector(g, i, channels - c, 0), a, z))


@njit()
def finish_alone(sums, dweight, dbias, parts):
    """dweight and dbias (C,) from the sums (2 C) of a part that is the only one; of several they are added up later."""
    if parts == 1:
        channels = len(dweight)
        for c in range(channels):
            dweight[c] = sums[c]
            dbias[c] = sums[channels + c]


@njit(**OPTIONS)
def padded(channels):
    """`channels` rounded up to a multiple of `WIDTH`."""
    return (channels + WIDTH - 1) // WIDTH * WIDTH
