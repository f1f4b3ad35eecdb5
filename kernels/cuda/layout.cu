// Matrices turned over: x (batch, rows, columns) -> y (batch, columns, rows).
//
// A block of 32 x 8 threads brings a tile of 32 x 32 into shared memory by rows and takes it out by columns, so that a
// warp reads and writes neighbours in memory. The rows of the tile are 33 long: so the 32 numbers of a column lie in 32
// different banks of shared memory, and are read at once.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
transpose(const stored* __restrict__ x, stored* __restrict__ y, Index rows, Index columns) {
  __shared__ stored tile[32][33];
  Index across = (columns + 31) / 32, down = (rows + 31) / 32, matrix = blockIdx.x / across / down * rows * columns;
  Index first_row = blockIdx.x / across % down * 32, first_column = blockIdx.x % across * 32;
  for (int i = threadIdx.y; i < 32; i += blockDim.y) {
    Index row = first_row + i, column = first_column + threadIdx.x;
    if (row < rows && column < columns) tile[i][threadIdx.x] = x[matrix + row * columns + column];
  }
  __syncthreads();
  for (int i = threadIdx.y; i < 32; i += blockDim.y) {
    Index row = first_row + threadIdx.x, column = first_column + i;
    if (row < rows && column < columns) y[matrix + column * rows + row] = tile[threadIdx.x][i];
  }
}
