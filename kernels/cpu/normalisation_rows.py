"""Tasks of layer and RMS normalisation over contiguous rows, each worked on while it is in cache.

The mean is found in two passes: the second, about the first's result, gives the correction and the variance.
RMS normalisation is the same sweep with `centred` false: no mean is taken off and none projected out.
Held to the definitions by tests/kernels/test_normalisation.py.
"""

import numpy as np

from .compiled import njit
from .launch import doubles, floats, integer, real, task
from .normalisation_pixels import OPTIONS, WIDTH, finish_alone, padded
from .packing import load_vector, store_vector
from .simd import LANES, vfill, vfma, vload, vstore, vsum, vzero

_BLOCK = 1024  # entries of a row that are summed in float32
_TOGETHER, _TILE = 4, 4096  # rows, and entries, that are gone through pass by pass: one's sums wait for no other's
_FLUSH = 512  # rows whose parameter gradients are summed in float32 before they move to float64


@njit(**OPTIONS)
def _added(x, at, left, total):
    return total + load_vector(x, at, left, 0)


@njit(**OPTIONS)
def _total(x, start, size):
    """The sum of some entries, in float32: in four sums that do not wait for each other."""
    a = b = c = d = vzero()
    for i in range(0, size, WIDTH):
        at, left = start + i, size - i
        a = _added(x, at, left, a)
        b = _added(x, at + LANES, left - LANES, b)
        c = _added(x, at + 2 * LANES, left - 2 * LANES, c)
        d = _added(x, at + 3 * LANES, left - 3 * LANES, d)
    return vsum((a + b) + (c + d))


@njit(**OPTIONS)
def _deviated(x, at, left, centre, total, squares):
    d = load_vector(x, at, left, centre) - vfill(centre)
    return total + d, vfma(d, d, squares)


@njit(**OPTIONS)
def _deviations(x, start, size, centre):
    """The sums of x - centre and of its square, in float32."""
    a = b = c = d = p = q = r = s = vzero()
    for i in range(0, size, WIDTH):
        at, left = start + i, size - i
        a, p = _deviated(x, at, left, centre, a, p)
        b, q = _deviated(x, at + LANES, left - LANES, centre, b, q)
        c, r = _deviated(x, at + 2 * LANES, left - 2 * LANES, centre, c, r)
        d, s = _deviated(x, at + 3 * LANES, left - 3 * LANES, centre, d, s)
    return vsum((a + b) + (c + d)), vsum((p + q) + (r + s))


@njit(**OPTIONS)
def _mean_of(x, start, size):
    total = 0.0
    for c in range(0, size, _BLOCK):
        total += _total(x, start + c, min(_BLOCK, size - c))
    return np.float32(total / size)


@njit(**OPTIONS)
def _moments_about(x, start, size, centre):
    """The means of x - centre and of its square."""
    one = two = 0.0
    for c in range(0, size, _BLOCK):
        s, q = _deviations(x, start + c, min(_BLOCK, size - c), centre)
        one += s
        two += q
    return one / size, two / size


@njit(**OPTIONS)
def _normalise_row(x, y, start, size, weight, bias, centre, scale, offset):
    """y = ((x - centre) scale + offset) weight + bias."""
    m, k, b = vfill(centre), vfill(scale), vfill(offset)
    for c in range(0, size, LANES):
        left = size - c
        x_hat = vfma(load_vector(x, start + c, left, 0) - m, k, b)
        store_vector(y, start + c, left, vfma(x_hat, load_vector(weight, c, left, 0), load_vector(bias, c, left, 0)))


@task
def norm_rows_task(block, part, parts):
    """Arguments: x, y (rows, D), weight, bias (D,), eps, mean, rstd (rows,); rows, D, centred."""
    x, y, weight, bias = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    eps, mean, rstd = real(block, 4), floats(block, 5), floats(block, 6)
    rows, size, centred = integer(block, 7), integer(block, 8), integer(block, 9) != 0
    first, last = rows * part // parts, rows * (part + 1) // parts
    together = max(1, min(_TOGETHER, _TILE // size))
    corrections = np.zeros(_TOGETHER)
    for start in range(first, last, together):
        tile = range(start, min(start + together, last))
        for row in tile:
            mean[row] = _mean_of(x, row * size, size) if centred else 0
        for row in tile:
            correction, square = _moments_about(x, row * size, size, mean[row])
            corrections[row - start] = correction if centred else 0.0
            rstd[row] = 1 / np.sqrt(square - corrections[row - start] ** 2 + eps)
        for row in tile:
            offset = -corrections[row - start] * rstd[row]
            _normalise_row(x, y, row * size, size, weight, bias, mean[row], rstd[row], offset)
            mean[row] += corrections[row - start]


@njit(**OPTIONS)
def _products(g, x, at, left, m, r, w, dw, db, one, other):
    """What a vector of one row adds to dweight, to dbias, and to the row's own sums of g weight and of that x_hat."""
    v = load_vector(g, at, left, 0)
    x_hat = (load_vector(x, at, left, 0) - m) * r
    h = v * w
    return vfma(v, x_hat, dw), db + v, one + h, vfma(h, x_hat, other)


@njit(**OPTIONS)
def _products_of_two(g, x, row, last, size, weight, mean, rstd, dweight, dbias, sums):
    """Two rows' shares of dweight and dbias, which are padded; their own sums. A row `last` is empty."""
    row1 = min(row + 1, last - 1)
    m, r, m1, r1 = vfill(mean[row]), vfill(rstd[row]), vfill(mean[row1]), vfill(rstd[row1])
    at, at1, size1 = row * size, row1 * size, size * (row1 == row + 1)
    a = b = c = d = p = q = s = t = vzero()
    for j in range(0, size, 2 * LANES):
        k = j + LANES
        w, dw, db = load_vector(weight, j, size - j, 0), vload(dweight, j), vload(dbias, j)
        v, ew, eb = load_vector(weight, k, size - k, 0), vload(dweight, k), vload(dbias, k)
        dw, db, a, p = _products(g, x, at + j, size - j, m, r, w, dw, db, a, p)
        ew, eb, b, q = _products(g, x, at + k, size - k, m, r, v, ew, eb, b, q)
        dw, db, c, s = _products(g, x, at1 + j, size1 - j, m1, r1, w, dw, db, c, s)
        ew, eb, d, t = _products(g, x, at1 + k, size1 - k, m1, r1, v, ew, eb, d, t)
        vstore(dweight, j, dw)
        vstore(dbias, j, db)
        vstore(dweight, k, ew)
        vstore(dbias, k, eb)
    sums[0], sums[1] = vsum(a + b), vsum(c + d)
    sums[2], sums[3] = vsum(p + q), vsum(s + t)


@njit(**OPTIONS)
def _row_gradient(g, x, dx, start, size, weight, mean, rstd, one, other):
    """dx = rstd (h - one / D - x_hat other / D), h = g weight, of one row."""
    m, r, scale = vfill(mean), vfill(rstd), -rstd / np.float32(size)
    along_one, along_x_hat = vfill(one * scale), vfill(other * scale)
    for c in range(0, size, LANES):
        left = size - c
        x_hat = (load_vector(x, start + c, left, 0) - m) * r
        h = load_vector(g, start + c, left, 0) * load_vector(weight, c, left, 0)
        store_vector(dx, start + c, left, vfma(h, r, vfma(x_hat, along_x_hat, along_one)))


@task
def norm_rows_backward_task(block, part, parts):
    """Arguments: g, x, dx (rows, D), weight (D,), mean, rstd (rows,), sums (parts, 2, D), dweight, dbias (D,), written
    by one part alone; rows, D, centred."""
    g, x, dx, weight = floats(block, 0), floats(block, 1), floats(block, 2), floats(block, 3)
    mean, rstd, sums = floats(block, 4), floats(block, 5), doubles(block, 6)
    rows, size, centred = integer(block, 9), integer(block, 10), integer(block, 11) != 0
    own = sums[part * 2 * size : (part + 1) * 2 * size]
    own[:] = 0
    work = np.zeros((2, padded(size)), np.float32)
    of_rows = np.empty(4, np.float32)
    first, last = rows * part // parts, rows * (part + 1) // parts
    for start in range(first, last, 2):
        _products_of_two(g, x, start, last, size, weight, mean, rstd, work[0], work[1], of_rows)
        for row in range(start, min(start + 2, last)):
            one = of_rows[row - start] if centred else np.float32(0)
            _row_gradient(g, x, dx, row * size, size, weight, mean[row], rstd[row], one, of_rows[2 + row - start])
        if (start - first) % _FLUSH == _FLUSH - 2 or start + 2 >= last:
            for c in range(size):
                own[c] += work[0, c]
                own[size + c] += work[1, c]
            work[:] = 0
    finish_alone(own, floats(block, 7), floats(block, 8), parts)
