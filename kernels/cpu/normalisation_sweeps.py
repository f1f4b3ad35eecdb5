"""Tasks of batch and group normalisation: what one thread does to its part of the images.

Group normalisation works image by image, while the image is in the second cache; batch normalisation makes two
sweeps over runs of pixels, with the runs' sums merged in between (Chan, Golub & LeVeque 1979) in a fixed order.
Images are (N, pixels, fold C): `fold` successive pixels are one, to fill whole vectors with narrow channels.
The stored mean is rounded to float32; the forward map carries the remainder, so that x - mean is exact.
Sums between sweeps are float64.
"""

from typing import Any

import numpy as np

from .compiled import njit
from .launch import doubles, floats, integer, real, task
from .normalisation_pixels import (
    OPTIONS,
    affine,
    combine,
    finish_alone,
    moments_of,
    padded,
    products_of,
    rectified_products_of,
    silu_products_of,
)
from .simd import FASTMATH
from .streaming import end

_RUN = 128  # pixels whose channels are all swept before the next pixels': memory is then read in its order
_SUMS: Any = {**OPTIONS, "fastmath": FASTMATH}  # sums over channels may be taken in any order


@njit(**OPTIONS)
def _affine(x, y, start, pixels, width, k, silu, slope, past):
    """`affine` with mean, scale and offset in k (3, width), run by run."""
    for p in range(0, pixels, _RUN):
        run = min(_RUN, pixels - p)
        affine(x, y, start + p * width, run, width, k[0], k[1], k[2], silu, slope, past)
    end(past)


@njit(**OPTIONS)
def _combine(g, x, y, start, pixels, width, k, past):
    """`combine` with mean, of_g, of_x and offset in k (4, width), run by run."""
    for p in range(0, pixels, _RUN):
        run = min(_RUN, pixels - p)
        combine(g, x, y, start + p * width, run, width, k[0], k[1], k[2], k[3], past)
    end(past)


@njit(**_SUMS)
def _group_coefficients(m, square, pixels, fold, groups, weight, bias, eps, mean, rstd, n, work):
    """Image n's mean and rstd from its moments per channel, and its affine map (mean, scale, offset) in work[1:]."""
    width = len(m)
    channels = width // fold
    size = channels // groups
    for k in range(groups):
        centre, spread = 0.0, 0.0
        for f in range(k * size, width, channels):
            for v in m[f : f + size]:
                centre += v
        centre /= size * fold
        for f in range(k * size, width, channels):
            ours, squares = m[f : f + size], square[f : f + size]
            for c in range(size):
                spread += squares[c] + pixels * (ours[c] - centre) * (ours[c] - centre)
        r = 1 / np.sqrt(spread / (pixels * size * fold) + eps)
        rounded = np.float32(centre)
        mean[n * groups + k] = rounded
        rstd[n * groups + k] = r
        remainder = (centre - rounded) * r
        w, b = weight[k * size : (k + 1) * size], bias[k * size : (k + 1) * size]
        for f in range(k * size, width, channels):
            work[1, f : f + size] = rounded
            scale, offset = work[2, f : f + size], work[3, f : f + size]
            for c in range(size):
                scale[c] = w[c] * r
                offset[c] = b[c] - remainder * w[c]


@task
def group_norm_task(block, part, parts):
    """Arguments: x, y (N, pixels, width), weight, bias (C,), eps, mean, rstd (N, G); N, pixels, width, fold, G,
    silu; past."""
    x, y, weight, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    eps, mean, rstd = real(block, 4), floats(block, 5), floats(block, 6)
    images, pixels, width = integer(block, 7), integer(block, 8), integer(block, 9)
    fold, groups, silu, past = integer(block, 10), integer(block, 11), integer(block, 12), integer(block, 13)
    work = np.zeros((4, padded(width)), np.float32)
    moments, slope = np.empty((2, width)), np.float32(1)
    for n in range(images * part // parts, images * (part + 1) // parts):
        start = n * pixels * width
        moments_of(x, start, pixels, width, work, moments[0], moments[1])
        _group_coefficients(moments[0], moments[1], pixels, fold, groups, weight, bias, eps, mean, rstd, n, work)
        _affine(x, y, start, pixels, width, work[1:], silu, slope, past)


@njit(**_SUMS)
def _group_gradient_coefficients(s, q, pixels, fold, groups, weight, rstd, n, sums, work):
    """Add image n's share of dweight and dbias to sums (2 C). of_x and offset of the last sweep go to work[4] and
    work[5]; dx = g of_g + (x - mean) of_x + offset, and of_g, the scale of the forward map, is in work[3] already."""
    width = len(s)
    channels = width // fold
    size = channels // groups
    for k in range(groups):
        r, along_one, along_x_hat = np.float64(rstd[n * groups + k]), 0.0, 0.0
        first = k * size
        w = weight[first : first + size]
        dweight, dbias = sums[first : first + size], sums[channels + first : channels + first + size]
        for f in range(first, width, channels):
            ones, x_hats = s[f : f + size], q[f : f + size]
            for c in range(size):
                dweight[c] += x_hats[c] * r
                dbias[c] += ones[c]
                along_one += w[c] * ones[c]
                along_x_hat += w[c] * x_hats[c] * r
        count = pixels * size * fold
        of_x, offset = -r * r * along_x_hat / count, -r * along_one / count
        for f in range(k * size, width, channels):
            work[4, f : f + size] = of_x
            work[5, f : f + size] = offset


@task
def group_norm_backward_task(block, part, parts):
    """Arguments: g, x, dx (N, pixels, width), weight, bias (C,), mean, rstd (N, G), sums (parts, 2, C),
    dweight, dbias (C,), written by one part alone; N, pixels, width, fold, G, silu; past."""
    g, x, dx, weight, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3), floats(block, 4)
    mean, rstd, sums = floats(block, 5), floats(block, 6), doubles(block, 7)
    images, pixels, width = integer(block, 10), integer(block, 11), integer(block, 12)
    fold, groups, silu, past = integer(block, 13), integer(block, 14), integer(block, 15), integer(block, 16)
    channels = width // fold
    size = channels // groups
    own = sums[part * 2 * channels : (part + 1) * 2 * channels]
    own[:] = 0
    work = np.zeros((6, padded(width)), np.float32)
    products = np.empty((2, width))
    for n in range(images * part // parts, images * (part + 1) // parts):
        start = n * pixels * width
        for k in range(groups):
            first, r = k * size, rstd[n * groups + k]
            w, b = weight[first : first + size], bias[first : first + size]
            for f in range(first, width, channels):
                work[2, f : f + size] = mean[n * groups + k]
                scale, offset = work[3, f : f + size], work[4, f : f + size]
                for c in range(size):
                    scale[c] = w[c] * r
                    offset[c] = b[c]
        h = g
        if silu:  # dx holds the cotangent of the affine map until the last sweep
            h = dx
            s, q = products[0], products[1]
            silu_products_of(g, x, dx, start, pixels, width, work[2], work[3], work[4], work, s, q)
        else:
            products_of(g, x, start, pixels, width, work[2], work, products[0], products[1])
        _group_gradient_coefficients(products[0], products[1], pixels, fold, groups, weight, rstd, n, own, work)
        _combine(h, x, dx, start, pixels, width, work[2:], past)
    finish_alone(own, floats(block, 8), floats(block, 9), parts)


@task
def moments_task(block, part, parts):
    """Mean and squared deviations of a run of pixels. Arguments: x (pixels, width), moments (parts, 2, width);
    pixels, width."""
    x, moments = floats(block, 0), doubles(block, 1)
    pixels, width = integer(block, 2), integer(block, 3)
    first, last = pixels * part // parts, pixels * (part + 1) // parts
    own = moments[part * 2 * width : (part + 1) * 2 * width]
    work = np.zeros((3, padded(width)), np.float32)
    moments_of(x, first * width, last - first, width, work, own[:width], own[width:])


@task
def normalise_task(block, part, parts):
    """y = the affine map of a run of pixels, negative values times a slope. Every thread merges the moments of all the
    runs for itself: that takes less than another launch. Arguments: x, y (pixels, width), moments (parts, 2, width),
    weight, bias (C,), eps, slope, mean, rstd (C,); pixels, width; a running mean and variance (C,), by how much they
    move, and whether they do; and whether, of what these say, no moments are asked for; past."""
    x, y, moments, weight, bias = (
        floats(block, 0),
        floats(block, 1),
        doubles(block, 2),
        floats(block, 3),
        floats(block, 4),
    )
    eps, slope, mean, rstd = real(block, 5), np.float32(real(block, 6)), floats(block, 7), floats(block, 8)
    pixels, width = integer(block, 9), integer(block, 10)
    of_mean, of_var, share, moves = floats(block, 11), floats(block, 12), real(block, 13), integer(block, 14)
    given, past = integer(block, 15), integer(block, 16)
    channels = len(weight)
    count = pixels * (width // channels)
    k = np.zeros((3, padded(width)), np.float32)  # mean, scale, offset
    for c in range(channels):
        centre, spread = 0.0, 0.0
        for i in range(0 if given else parts):
            run = pixels * (i + 1) // parts - pixels * i // parts
            for f in range(c, width, channels):
                centre += moments[2 * i * width + f] * run
        centre = of_mean[c] if given else centre / count
        for i in range(0 if given else parts):
            run = pixels * (i + 1) // parts - pixels * i // parts
            for f in range(c, width, channels):
                d = moments[2 * i * width + f] - centre
                spread += moments[(2 * i + 1) * width + f] + run * d * d
        r = 1 / np.sqrt((of_var[c] if given else spread / count) + eps)
        rounded = np.float32(centre)
        if part == 0:
            mean[c] = rounded
            rstd[c] = r
            if moves:
                of_mean[c] += share * (centre - of_mean[c])
                of_var[c] += share * (spread / max(count - 1, 1) - of_var[c])
        remainder = centre - rounded
        for f in range(c, width, channels):
            k[0, f] = rounded
            k[1, f] = weight[c] * r
            k[2, f] = bias[c] - remainder * weight[c] * r
    first, last = pixels * part // parts, pixels * (part + 1) // parts
    _affine(x, y, first * width, last - first, width, k, 0, slope, past)


@task
def products_task(block, part, parts):
    """Sums of h and of h (x - mean) over a run of pixels, where h is g or, if `rectified`, what `rectified_products_of`
    makes of it. Arguments: g, x (pixels, width), mean (C,), sums (parts, 2, width), y, h (pixels, width), slope;
    pixels, width, rectified."""
    g, x, mean, sums = floats(block, 0), floats(block, 1), floats(block, 2), doubles(block, 3)
    y, h, slope = floats(block, 4), floats(block, 5), np.float32(real(block, 6))
    pixels, width, rectified = integer(block, 7), integer(block, 8), integer(block, 9)
    first, last = pixels * part // parts, pixels * (part + 1) // parts
    own = sums[part * 2 * width : (part + 1) * 2 * width]
    work = np.zeros((3, padded(width)), np.float32)
    for c in range(width):
        work[2, c] = mean[c % len(mean)]
    s, q, start = own[:width], own[width:], first * width
    if rectified:
        rectified_products_of(g, x, y, h, start, last - first, width, work[2], slope, work, s, q)
    else:
        products_of(g, x, start, last - first, width, work[2], work, s, q)


@task
def input_gradient_task(block, part, parts):
    """dx = h k[1] + (x - k[0]) k[2] + k[3] on a run of pixels; dweight and dbias. Every thread merges the sums of all
    the runs for itself. Arguments: h, x, dx (pixels, width), sums (parts, 2, width), weight, mean, rstd, dweight, dbias
    (C,); pixels, width, and whether mean and rstd are given, so that they do not depend on x; past."""
    h, x, dx, sums = floats(block, 0), floats(block, 1), floats(block, 2), doubles(block, 3)
    weight, mean, rstd = floats(block, 4), floats(block, 5), floats(block, 6)
    dweight, dbias = floats(block, 7), floats(block, 8)
    pixels, width, given, past = integer(block, 9), integer(block, 10), integer(block, 11), integer(block, 12)
    channels = len(weight)
    count = pixels * (width // channels)
    k = np.zeros((4, padded(width)), np.float32)
    for c in range(channels):
        s, q, r = 0.0, 0.0, np.float64(rstd[c])
        for i in range(parts):
            for f in range(c, width, channels):
                s += sums[2 * i * width + f]
                q += sums[(2 * i + 1) * width + f]
        if part == 0:
            dweight[c] = q * r
            dbias[c] = s
        for f in range(c, width, channels):
            k[0, f] = mean[c]
            k[1, f] = weight[c] * r
            if not given:
                k[2, f] = -weight[c] * r * r * r * q / count
                k[3, f] = -weight[c] * r * s / count
    first, last = pixels * part // parts, pixels * (part + 1) // parts
    _combine(h, x, dx, first * width, last - first, width, k, past)
