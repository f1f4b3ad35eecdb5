// What the kernels share. Read this first.
//
// A kernel is a function that many threads run at once. Threads come in blocks (blockDim.x of them, here 128 or 256),
// blocks in a grid (gridDim.x). Each thread finds out who it is from threadIdx and blockIdx and does its own part.
//   - 32 consecutive threads of a block are a warp: they advance together, and can read each other's registers by a
//     shuffle, which is the cheapest way to add something up.
//   - The threads of a block share memory declared __shared__ and wait for each other at __syncthreads(). It is a
//     mistake to let only some of them reach a barrier, and to read what another wrote with no barrier in between.
//   - Blocks run in any order, and know nothing of each other.
// A multiprocessor has 65536 registers for the threads of all blocks that it runs at once, and hides the memory's delay
// behind their number. __launch_bounds__(128, 8) promises blocks of 128 threads and asks for room for 8 of them.
// Consecutive threads should touch consecutive addresses: a warp then reads its 128 bytes in one transaction.
//
// Every .cu file is compiled once for each dtype of arrays in memory, STORED: float, double or bfloat16. Arithmetic is
// in REAL, which is double for double, else float, and so are statistics, weights and their gradients. Sums are carried
// in double, which costs nothing beside the memory's time on the cards made for this (A100, H100, H200), so that
// results are those of the definitions (float64, rounded once) to the last digits. All integers are 64 bits wide: no
// array is too long.
#pragma once
#include "bfloat16.cuh"

typedef REAL real;
typedef STORED stored;
typedef double wide;
typedef long long Index;

// NVRTC, which compiles this without any header, does not know C's INFINITY.
__device__ __forceinline__ real infinity() { return __longlong_as_double(0x7ff0000000000000ll); }

const unsigned ALL_LANES = 0xffffffffu;

// for (EACH(i, n)): every i below n, shared out among all threads of the grid.
#define EACH(i, n) Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x; i < (n); i += gridDim.x * (Index)blockDim.x

__device__ __forceinline__ int lane() { return threadIdx.x % 32; }

// Which warp of the grid this is, for kernels that give each warp a row.
__device__ __forceinline__ Index warp_index() { return (blockIdx.x * (Index)blockDim.x + threadIdx.x) / 32; }

// for (EACH_OF_ROW(i, n)): every i below n, shared out among the lanes of the warp.
#define EACH_OF_ROW(i, n) Index i = lane(); i < (n); i += 32

// The sum over the 32 lanes, in every lane: after step k a lane holds the sum of 2^k of them ("butterfly").
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int bits = 16; bits; bits /= 2) value += __shfl_xor_sync(ALL_LANES, value, bits);
  return value;
}

// The greatest over the 32 lanes, in every lane; NaN is passed over.
template <class T>
__device__ __forceinline__ T warp_max(T value) {
  for (int bits = 16; bits; bits /= 2) value = fmax(value, __shfl_xor_sync(ALL_LANES, value, bits));
  return value;
}

// 1 / (1 + exp(-x)); exp is only ever taken of -|x|, so nothing overflows.
__device__ __forceinline__ real sigmoid(real x) {
  real e = exp(-fabs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

// x above 0, slope x below; a slope of 0 leaves nothing of infinities. NaN stays NaN.
__device__ __forceinline__ real rectified(real x, real slope) {
  return x > 0 ? x : x <= 0 && slope == 0 ? 0 : slope * x;
}
