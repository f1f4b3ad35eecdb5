"""Tasks of layer and RMS normalisation over contiguous rows, each worked on while it is in cache.

The mean is found in two passes: the second, about the first's result, gives the correction and the variance.
RMS normalisation is the same sweep with `centred` false: no mean is taken off and none projected out.
Held to the definitions by tests/kernels/test_normalisation.py.
"""

import numpy as np

from .launch import floats, integer, task
from .normalisation_pixels import OPTIONS, njit
from .packing import load_vector, store_vector, whole_vectors
from .simd import LANES, vfill, vfma, vload, vstore, vsum, vzero

_BLOCK = 1024  # entries of a row that are summed in float32
_FLUSH = 512  # rows whose parameter gradients are summed in float32 before they move to float64


@njit(**OPTIONS)
def _total(x, start, size):
    """The sum of some entries, in float32."""
    total = vzero()
    for c in range(0, size, LANES):
        total = total + load_vector(x, start + c, size - c, 0)
    return vsum(total)


@njit(**OPTIONS)
def _deviations(x, start, size, centre):
    """The sums of x - centre and of its square, in float32."""
    m, total, squares = vfill(centre), vzero(), vzero()
    for c in range(0, size, LANES):
        d = load_vector(x, start + c, size - c, centre) - m
        total = total + d
        squares = vfma(d, d, squares)
    return vsum(total), vsum(squares)


@njit(**OPTIONS)
def _normalise_row(x, y, start, size, weight, bias, eps, centred):
    """One row's y; its mean and rstd."""
    total = one = two = 0.0
    if centred:
        for c in range(0, size, _BLOCK):
            total += _total(x, start + c, min(_BLOCK, size - c))
    centre = np.float32(total / size)
    for c in range(0, size, _BLOCK):
        s, q = _deviations(x, start + c, min(_BLOCK, size - c), centre)
        one += s
        two += q
    correction, variance = one / size, two / size
    if not centred:
        correction = 0.0
    m, r = vfill(centre), 1 / np.sqrt(variance - correction * correction + eps)
    scale, offset = vfill(r), vfill(-correction * r)
    for c in range(0, size, LANES):
        left = size - c
        x_hat = vfma(load_vector(x, start + c, left, 0) - m, scale, offset)
        store_vector(y, start + c, left, vfma(x_hat, load_vector(weight, c, left, 0), load_vector(bias, c, left, 0)))
    return centre + correction, r


@task
def norm_rows_task(block, part, parts):
    """Arguments: x, y (rows, D), weight, bias (D,), eps (1,), mean, rstd (rows,); rows, D, centred."""
    x, y, weight, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    eps, mean, rstd = floats(block, 4)[0], floats(block, 5), floats(block, 6)
    rows, size, centred = integer(block, 7), integer(block, 8), integer(block, 9) != 0
    for row in range(rows * part // parts, rows * (part + 1) // parts):
        mean[row], rstd[row] = _normalise_row(x, y, row * size, size, weight, bias, eps, centred)


@njit(**OPTIONS)
def _row_gradient(g, x, dx, start, size, weight, mean, rstd, centred, dweight, dbias):
    """One row's dx; its share is added to dweight and dbias, padded to whole vectors."""
    m, r = vfill(mean), vfill(rstd)
    one, other = vzero(), vzero()
    for c in range(0, size, LANES):
        left = size - c
        v = load_vector(g, start + c, left, 0)
        x_hat = (load_vector(x, start + c, left, 0) - m) * r
        vstore(dweight, c, vfma(v, x_hat, vload(dweight, c)))
        vstore(dbias, c, vload(dbias, c) + v)
        h = v * load_vector(weight, c, left, 0)
        one = one + h
        other = vfma(h, x_hat, other)
    scale = rstd / np.float32(size)
    along_one = vfill(-vsum(one) * scale if centred else np.float32(0))
    along_x_hat = vfill(-vsum(other) * scale)
    for c in range(0, size, LANES):
        left = size - c
        x_hat = (load_vector(x, start + c, left, 0) - m) * r
        h = load_vector(g, start + c, left, 0) * load_vector(weight, c, left, 0)
        store_vector(dx, start + c, left, vfma(h, r, vfma(x_hat, along_x_hat, along_one)))


@task
def norm_rows_backward_task(block, part, parts):
    """Arguments: g, x, dx (rows, D), weight (D,), mean, rstd (rows,), sums (parts, 2, D) float64 as float32; rows,
    D, centred."""
    g, x, dx, weight = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    mean, rstd, sums = floats(block, 4), floats(block, 5), floats(block, 6).view(np.float64)
    rows, size, centred = integer(block, 7), integer(block, 8), integer(block, 9) != 0
    own = sums[part * 2 * size : (part + 1) * 2 * size]
    own[:] = 0
    work = np.zeros((2, whole_vectors(size)), np.float32)
    first, last = rows * part // parts, rows * (part + 1) // parts
    for row in range(first, last):
        _row_gradient(g, x, dx, row * size, size, weight, mean[row], rstd[row], centred, work[0], work[1])
        if (row + 1) % _FLUSH == 0 or row + 1 == last:
            for c in range(size):
                own[c] += work[0, c]
                own[size + c] += work[1, c]
            work[:] = 0
