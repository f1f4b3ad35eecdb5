"""Attention in Numba-CUDA, with no matrix of scores. Read beside kernels/cuda/attention.cu, which names the papers.

A block has ROWS queries, one a thread. The keys and values pass by in tiles of shared memory, each loaded once for all
queries of the block. The CUDA C++ shares a query between 8 threads, whose registers hold its numbers; here they are in
an array of the thread's own, which lies in the card's memory, behind its caches.
"""

import math
from math import prod
from typing import Any

import numba.cuda
from numba import float64

from ..array_module import xp
from ..definitions import attention as definition

Array = Any
cuda: Any = numba.cuda  # whose annotations are not those of its device functions

ROWS = 32  # queries of a block, and its threads
TILE = 16  # keys that pass by at a time
MOST = 128  # numbers in a row: the size of arrays in a kernel must be known when it is compiled


@cuda.jit
def _attention_rows(q, k, v, mask, is_causal, scale, y, lse):  # type: ignore[no-untyped-def]
    k_tile = cuda.shared.array((TILE, MOST), float64)  # one for the block: 16 KiB
    v_tile = cuda.shared.array((TILE, MOST), float64)
    numbers = cuda.local.array(MOST, float64)  # one for each thread
    queries, keys, d, e = q.shape[1], k.shape[1], q.shape[2], v.shape[2]
    blocks = (queries + ROWS - 1) // ROWS  # of one batch
    batch, thread = cuda.blockIdx.x // blocks, cuda.threadIdx.x
    row = cuda.blockIdx.x % blocks * ROWS + thread
    for c in range(e):
        numbers[c] = 0.0
    greatest, total = -math.inf, 0.0  # of the scores so far; of their exponentials, less the greatest
    for first in range(0, keys, TILE):
        count = TILE if first + TILE <= keys else keys - first
        cuda.syncthreads()  # until nobody reads the tile before
        for j in range(count):
            for c in range(thread, d, ROWS):  # neighbours in memory are read at the same moment
                k_tile[j, c] = k[batch, first + j, c]
            for c in range(thread, e, ROWS):
                v_tile[j, c] = v[batch, first + j, c]
        cuda.syncthreads()  # until the tile is whole; threads beyond the last query come here too
        if row < queries:
            for j in range(count):
                if is_causal and first + j > row:
                    break
                score = 0.0
                for c in range(d):
                    score += q[batch, row, c] * k_tile[j, c]
                score *= scale
                if mask is not None:
                    score += mask[batch, row, first + j]
                if score == -math.inf:  # no weight; and as the first, -inf - -inf would be NaN
                    continue
                peak = score if score > greatest else greatest
                keep, weight = math.exp(greatest - peak), math.exp(score - peak)
                total = total * keep + weight  # what was summed so far was less the old greatest
                for c in range(e):
                    numbers[c] = numbers[c] * keep + weight * v_tile[j, c]
                greatest = peak
    if row < queries:
        for c in range(e):
            y[batch, row, c] = numbers[c] / total if total != 0 else 0.0  # a query that sees no key
        lse[batch, row] = greatest + math.log(total) if total != 0 else -math.inf


def attention(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool, scale: float) -> tuple[Array, Array]:
    """Attention of q (..., T, d) over k (..., S, d), v (..., S, e): y (..., T, e) and lse (..., T).

    Rows of more than 128 numbers take the definition.
    """
    if max(q.shape[-1], v.shape[-1]) > MOST:
        return definition.attention(q, k, v, mask, is_causal, scale)
    device, lead, queries, keys = xp(q), q.shape[:-2], q.shape[-2], k.shape[-2]
    y, lse = device.empty((*q.shape[:-1], v.shape[-1]), q.dtype), device.empty(q.shape[:-1], q.dtype)
    if lse.size:  # a grid has at least one block
        if mask is not None:
            mask = device.where(mask, 0.0, -math.inf) if mask.dtype == bool else mask
            mask = device.broadcast_to(mask, (*lead, queries, keys))  # in full, unlike attention.py beside attention.cu
        batches = prod(lead)
        q, k, v, mask = (
            None if a is None else device.ascontiguousarray(a).reshape(batches, *a.shape[-2:]) for a in (q, k, v, mask)
        )
        outputs = y.reshape(batches, queries, -1), lse.reshape(batches, queries)
        blocks = batches * (-(-queries // ROWS))
        _attention_rows[blocks, ROWS](q, k, v, mask, is_causal, scale, *outputs)
    return y, lse
