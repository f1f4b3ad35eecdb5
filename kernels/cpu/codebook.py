"""The nearest code on every thread: a product of matrices in float32 leaves a few codes, of which float64 chooses.

The nearest code has the largest score z e - |e|^2 / 2. A float32 score is off by less than D + 4 roundings of |z| |e| +
|e|^2, so the nearest is among the codes whose scores come within twice that of the largest. Their distances are summed
as in kernels/definitions/codebook.py: the same indices, held to it by tests/kernels/test_codebook.py. float64 is the
definition.
"""

import math

import numpy as np

from ..array_module import quiet
from ..definitions import codebook as definition
from .compiled import njit
from .launch import floats, integer, integers, launch, task
from .packing import load_vector
from .product import matmul
from .simd import FASTMATH, LANES, vfill, vfma, vmax, vmax_lane, vsum, vzero
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 19  # scores worth a thread
_KEPT = 1 << 18  # scores at a time: 1 MiB, that stay in the second-level cache
_LEAST = np.float32(-np.inf)


@njit()
def _distance(z, codebook, k):
    total = 0.0
    for j in range(z.size):
        difference = np.float64(z[j]) - np.float64(codebook[k * z.size + j])
        total += difference * difference
    return total


@njit()
def _score(scores, halves, at, k, left):
    return load_vector(scores, at + k, left, _LEAST) - load_vector(halves, k, left, 0)


@njit()
def _largest(scores, halves, at, codes):
    largest = vfill(_LEAST)
    for k in range(0, codes, LANES):
        largest = vmax(_score(scores, halves, at, k, codes - k), largest)
    return vmax_lane(largest)


@njit(fastmath=FASTMATH)
def _length(z, at, width):
    squares = vzero()
    for j in range(0, width, LANES):
        own = load_vector(z, at + j, width - j, 0)
        squares = vfma(own, own, squares)
    return math.sqrt(np.float64(vsum(squares)))


@njit()
def _nearest_of_all(z, codebook):
    best, least = 0, np.inf
    for k in range(codebook.size // z.size):
        distance = _distance(z, codebook, k)
        if distance < least:
            best, least = k, distance
    return best


@task
def _choose(block, part, parts):
    """Arguments: scores (N, K), |e|^2 / 2 (K,), the longest |e| (1,), z (N, D), codebook, nearest (N,); D, K."""
    scores, halves, longest, z = floats(block, 0), floats(block, 1), np.float64(floats(block, 2)[0]), floats(block, 3)
    codebook, nearest, width, codes = floats(block, 4), integers(block, 5), integer(block, 6), integer(block, 7)
    for i in range(nearest.size * part // parts, nearest.size * (part + 1) // parts):
        at = i * codes
        error = (width + 4) * (longest * (_length(z, i * width, width) + longest) * 2.0**-23 + 2.0**-149)
        limit = np.float32(np.float64(_largest(scores, halves, at, codes)) - 2 * error)
        own = z[i * width : (i + 1) * width]
        if not math.isfinite(limit):
            nearest[i] = _nearest_of_all(own, codebook)
            continue
        best, least = -1, -1.0  # the distance is only worked out where there are two to choose from
        for first in range(0, codes, LANES):
            if vmax_lane(_score(scores, halves, at, first, codes - first)) < limit:
                continue
            for k in range(first, min(first + LANES, codes)):
                if scores[at + k] - halves[k] < limit:
                    continue
                if best < 0:
                    best = k
                    continue
                if least < 0:
                    least = _distance(own, codebook, best)
                distance = _distance(own, codebook, k)
                if distance < least:
                    best, least = k, distance
        nearest[i] = best


@quiet
def nearest_code(z: Array, codebook: Array) -> Array:
    """int64 (N,): the index of the row of codebook (K, D) nearest to each row of z (N, D); see the definition."""
    if not (z.dtype == codebook.dtype == np.float32) or not z.size:
        return definition.nearest_code(z, codebook)
    definition.check_codebook(z, codebook)
    z, codebook = np.ascontiguousarray(z), np.ascontiguousarray(codebook)
    codes, width = codebook.shape
    squares = np.square(codebook, dtype=np.float64).sum(axis=1)
    halves, longest = (squares / 2).astype(np.float32), np.sqrt(squares.max(keepdims=True)).astype(np.float32)
    nearest = np.empty(len(z), np.intp)
    step = max(16, _KEPT // codes)
    for first in range(0, len(z), step):
        rows, to = z[first : first + step], nearest[first : first + step]
        scores = matmul(rows, codebook.T).reshape(-1)
        parts = thread_count(scores.size, _SERIAL)
        launch(_choose, parts, scores, halves, longest, rows.reshape(-1), codebook.reshape(-1), to, width, codes)
    return nearest.astype(np.int64, copy=False)
