"""Numba sweeps for layer and RMS normalisation over contiguous rows, each worked on while it is in cache.

The mean is found in two passes: the second, about the first's result, gives the correction and the variance.
RMS normalisation is the same sweep with `centred` false: no mean is taken off and none projected out.
Held to the definitions by tests/kernels/test_normalisation.py.
"""

from typing import Any

import numba
import numpy as np

from .simd import FASTMATH, LANES, vfill, vfma, vload, vload_first, vstore, vstore_first, vsum, vzero

njit: Any = numba.njit
prange: Any = numba.prange

# As simd.FASTMATH without leave to reassociate: sums of x - mean must stay sums of differences.
_FLAGS = FASTMATH - {"reassoc"}

_FLUSH = 512  # rows whose parameter gradients are summed in float32 before they move to float64


@njit(fastmath=_FLAGS, cache=True)
def _load(x, i, left, fill):
    """The vector at x[i:], equal to `fill` from `left` elements on."""
    return vload(x, i) if left >= LANES else vload_first(x, i, left, fill)


@njit(fastmath=_FLAGS, cache=True)
def _store(x, i, v, left):
    if left >= LANES:
        vstore(x, i, v)
    else:
        vstore_first(x, i, v, left)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def norm_rows_sweep(x, y, weight, bias, eps, mean, rstd, centred, parts):
    """y, mean and rstd (rows,) from x (rows, D)."""
    rows, size = x.shape
    for part in prange(parts):
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            start = row * size
            centre = np.float32(0)
            if centred:
                total = vzero()
                for c in range(0, size, LANES):
                    total = total + _load(x, start + c, size - c, 0)
                centre = vsum(total) / np.float32(size)
            m, total, squares = vfill(centre), vzero(), vzero()
            for c in range(0, size, LANES):
                d = _load(x, start + c, size - c, centre) - m
                total = total + d
                squares = vfma(d, d, squares)
            correction = np.float64(vsum(total)) / size if centred else 0.0
            variance = np.float64(vsum(squares)) / size - correction * correction
            r = 1 / np.sqrt(variance + eps)
            mean[row] = centre + correction
            rstd[row] = r
            scale, offset = vfill(r), vfill(-correction * r)
            for c in range(0, size, LANES):
                left = size - c
                x_hat = vfma(_load(x, start + c, left, 0) - m, scale, offset)
                _store(y, start + c, vfma(x_hat, _load(weight, c, left, 0), _load(bias, c, left, 0)), left)


@njit(parallel=True, fastmath=_FLAGS, cache=True)
def norm_rows_backward_sweep(g, x, dx, weight, mean, rstd, centred, sums, parts):
    """dx like x (rows, D), and per thread sums[part] = (dweight, dbias) (parts, 2, D), float64."""
    rows, size = x.shape
    padded = (size + LANES - 1) // LANES * LANES
    for part in prange(parts):
        work = np.zeros((2, padded), np.float32)
        dweight, dbias = work[0], work[1]
        sums[part] = 0
        last = rows * (part + 1) // parts
        for row in range(rows * part // parts, last):
            start = row * size
            m, r = vfill(mean[row]), vfill(rstd[row])
            one, other = vzero(), vzero()
            for c in range(0, size, LANES):
                left = size - c
                v = _load(g, start + c, left, 0)
                x_hat = (_load(x, start + c, left, 0) - m) * r
                vstore(dweight, c, vfma(v, x_hat, vload(dweight, c)))
                vstore(dbias, c, vload(dbias, c) + v)
                h = v * _load(weight, c, left, 0)
                one = one + h
                other = vfma(h, x_hat, other)
            scale = rstd[row] / np.float32(size)
            along_one = vfill(-vsum(one) * scale if centred else np.float32(0))
            along_x_hat = vfill(-vsum(other) * scale)
            for c in range(0, size, LANES):
                left = size - c
                x_hat = (_load(x, start + c, left, 0) - m) * r
                h = _load(g, start + c, left, 0) * _load(weight, c, left, 0)
                _store(dx, start + c, vfma(h, r, vfma(x_hat, along_x_hat, along_one)), left)
            if (row + 1) % _FLUSH == 0 or row + 1 == last:
                for c in range(size):
                    sums[part, 0, c] += dweight[c]
                    sums[part, 1, c] += dbias[c]
                work[:] = 0
