"""Tasks of batch normalisation by given statistics for images whose channels lie one behind the other: (N, C, pixels).

A plane, the pixels of one channel of one image, is mapped by three numbers, and so is its gradient, which nothing else
depends on: one sweep each. Held to the definitions by tests/kernels/test_normalisation.py.
"""

import numpy as np

from .compiled import njit
from .launch import floats, integer, real, task
from .normalisation_pixels import OPTIONS, bent
from .packing import load_vector, store_vector
from .rectifier import lowered
from .simd import LANES, vfill, vfma, vsum, vwhere_less, vzero

_TOGETHER = 512 * LANES  # pixels summed in float32 before the sums move to float64


@task
def plane_task(block, part, parts):
    """y = the affine map of each plane, negative values times a slope. Arguments: x, y (N, C, pixels), weight, bias,
    mean, var (C,), eps, slope, copies of the mean and of 1 / deviation (C,); pixels."""
    x, y, weight, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    of_mean, of_var, eps, slope = floats(block, 4), floats(block, 5), real(block, 6), vfill(np.float32(real(block, 7)))
    mean, rstd, pixels = floats(block, 8), floats(block, 9), integer(block, 10)
    channels = len(weight)
    planes = x.size // pixels
    for plane in range(planes * part // parts, planes * (part + 1) // parts):
        c = plane % channels
        r = 1 / np.sqrt(of_var[c] + eps)
        if plane == c:  # the first image's
            mean[c], rstd[c] = of_mean[c], r
        m, scale, offset = vfill(of_mean[c]), vfill(np.float32(weight[c] * r)), vfill(bias[c])
        start = plane * pixels
        for i in range(start, start + pixels, LANES):
            left = start + pixels - i
            store_vector(y, i, left, bent(vfma(load_vector(x, i, left, 0) - m, scale, offset), 0, slope))


@njit(**OPTIONS)
def _sums(g, x, y, dx, start, pixels, mean, scale, slope):
    """dx = h scale, where h is g, times a slope where y is not above 0; the sums of h and of h (x - mean)."""
    m, k, low, s, q = vfill(mean), vfill(scale), vfill(slope), vzero(), vzero()
    for i in range(start, start + pixels, LANES):
        left = start + pixels - i
        h = load_vector(g, i, left, 0)
        if slope != 1:
            h = vwhere_less(vzero(), load_vector(y, i, left, 0), h, lowered(h, low))
        s, q = s + h, vfma(h, load_vector(x, i, left, 0) - m, q)
        store_vector(dx, i, left, h * k)
    return vsum(s), vsum(q)


@task
def plane_backward_task(block, part, parts):
    """Arguments: g, x, y, dx (N, C, pixels), weight, mean, rstd, dweight, dbias (C,), slope; pixels. A thread has
    some channels of all images."""
    g, x, y, dx, weight = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3), floats(block, 4)
    mean, rstd, dweight, dbias = floats(block, 5), floats(block, 6), floats(block, 7), floats(block, 8)
    slope, pixels = np.float32(real(block, 9)), integer(block, 10)
    channels = len(weight)
    for c in range(channels * part // parts, channels * (part + 1) // parts):
        s, q, scale = 0.0, 0.0, np.float32(weight[c] * rstd[c])
        for plane in range(c, x.size // pixels, channels):
            for p in range(0, pixels, _TOGETHER):
                start, count = plane * pixels + p, min(_TOGETHER, pixels - p)
                one, other = _sums(g, x, y, dx, start, count, mean[c], scale, slope)
                s += one
                q += other
        dweight[c] = q * rstd[c]
        dbias[c] = s
