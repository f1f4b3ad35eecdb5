// Sums over a whole block: the warps' sums meet in shared memory.
#pragma once
#include "common.cuh"

const int MOST_WARPS = 8;  // in a block of up to 256 threads

// The sum of `value` over the block, in every thread, always added in the same order; all threads must come here.
__device__ __forceinline__ wide block_sum(wide (&shared)[MOST_WARPS], wide value) {
  value = warp_sum(value);
  if (lane() == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  wide sum = 0;
  for (int i = 0; i < blockDim.x / 32; i++) sum += shared[i];
  __syncthreads();  // before the next sum overwrites what others still read
  return sum;
}
