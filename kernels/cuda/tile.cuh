// A tile of 32 columns and some rows of a matrix (rows, columns), summed down the columns by a block of 32 x 8 threads.
//
// Thread (x, y) takes column x of the tile and the rows y, y + 8, y + 16, ...: a warp reads 32 neighbours in memory.
// The eight partial sums of a column meet in shared memory.
#pragma once
#include "common.cuh"

const int TILE_ROWS = 8;  // threads that share a column

struct Tile {
  Index column;       // of this thread
  Index first, last;  // the rows of this block
  Index matrix;       // of several matrices, one behind the other, the one of this block
};

// Block (x, y): the x-th of all chunks of `span` rows, of which each matrix has the same number; columns from 32 y on.
__device__ __forceinline__ Tile tile(Index rows, Index span) {
  Index chunks = (rows + span - 1) / span, chunk = blockIdx.x % chunks;
  return {blockIdx.y * (Index)32 + threadIdx.x, chunk * span, min((chunk + 1) * span, rows), blockIdx.x / chunks};
}

#define EACH_OF_TILE(r, t) Index r = (t).first + threadIdx.y; r < (t).last; r += TILE_ROWS

// The sum of `value` over the threads of a column, for each of them; every thread of the block must come here.
__device__ __forceinline__ wide column_sum(wide (*shared)[32], wide value) {
  shared[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  wide sum = 0;
  for (int y = 0; y < TILE_ROWS; y++) sum += shared[y][threadIdx.x];
  __syncthreads();  // before the next sum overwrites what others still read
  return sum;
}
