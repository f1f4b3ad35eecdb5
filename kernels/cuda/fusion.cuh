// What the text of a fused chain is written with: see fusion.py.
#pragma once
#include "block.cuh"
#include "functions.cuh"

// Truth is 1, and what is not 0 is true.
__device__ __forceinline__ real where(real condition, real a, real b) { return condition != 0 ? a : b; }

__device__ __forceinline__ real not_a_number() { return __longlong_as_double(0x7ff8000000000000ll); }

// Entry `at` of `middle` times `columns` entries in each of the outermost loop: where it lies in the three loops.
struct Place { Index i, j, k; };
__device__ __forceinline__ Place place(Index at, Index middle, Index columns) {
  Index row = at / columns;
  return {row / middle, row % middle, at - row * columns};
}

// for (EACH_OF_PART(at, n, pieces, chunks, span)): the `n` entries are cut into `pieces`, each to be added up for
// itself, a piece into `chunks` of `span` entries, the last of which may be shorter. Each block has one chunk.
#define EACH_OF_PART(at, n, pieces, chunks, span)                                                   \
  Index at = blockIdx.x / (chunks) * ((n) / (pieces)) + blockIdx.x % (chunks) * (span) + threadIdx.x, \
        stop = min(at - threadIdx.x + (span), (blockIdx.x / (chunks) + 1) * ((n) / (pieces)));        \
  at < stop; at += blockDim.x
