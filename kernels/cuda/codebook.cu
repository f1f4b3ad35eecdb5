// The nearest code of each vector, without the matrix of distances: tiles of codes pass by, each thread keeps its best.
//
// A block has ROWS vectors, and ACROSS threads for each of them; a thread has every ACROSS-th code of a tile. The numbers
// of vectors and codes are brought into shared memory DEPTH dimensions at a time. Differences are squared and added in
// double, dimension by dimension: the same indices as on the CPU (definitions/codebook.py).
#include "common.cuh"

// ROWS is _ROWS in codebook.py; ROWS * ACROSS are the 256 threads of a block.
const int ROWS = 16, ACROSS = 16, EACH_CODES = 4, CODES = ACROSS * EACH_CODES, DEPTH = 8;

struct Best { wide distance; Index code; };

// The nearer of two; of equals the first.
__device__ __forceinline__ Best nearer(Best a, Best b) {
  bool second = b.distance < a.distance || (b.distance == a.distance && b.code < a.code);
  return second ? b : a;
}

// `count` rows from `first` on, DEPTH numbers of each from `depth` on; zeros beyond.
template <int count>
__device__ __forceinline__ void load(real (&tile)[count][DEPTH + 1], const stored* x, Index first, Index rows,
                                     Index depth, Index width) {
  for (int i = threadIdx.x; i < count * DEPTH; i += blockDim.x) {
    int r = i / DEPTH, d = i % DEPTH;
    tile[r][d] = first + r < rows && depth + d < width ? (real)x[(first + r) * width + depth + d] : 0;
  }
}

extern "C" __global__ void __launch_bounds__(256)
nearest_code(const stored* __restrict__ z, const stored* __restrict__ codebook, Index* __restrict__ nearest, Index rows,
             Index codes, Index width) {
  __shared__ real vectors[ROWS][DEPTH + 1], book[CODES][DEPTH + 1];
  int row = threadIdx.x / ACROSS, own = threadIdx.x % ACROSS;
  Index first_row = blockIdx.x * (Index)ROWS;
  Best best = {infinity(), 0};
  for (Index first = 0; first < codes; first += CODES) {
    wide distance[EACH_CODES] = {};
    for (Index depth = 0; depth < width; depth += DEPTH) {
      load(vectors, z, first_row, rows, depth, width);
      load(book, codebook, first, codes, depth, width);
      __syncthreads();
#pragma unroll
      for (int d = 0; d < DEPTH; d++) {
        wide x = vectors[row][d];
#pragma unroll
        for (int i = 0; i < EACH_CODES; i++) {
          wide difference = x - book[own + i * ACROSS][d];
          distance[i] += difference * difference;
        }
      }
      __syncthreads();  // before the next numbers overwrite what others still read
    }
#pragma unroll
    for (int i = 0; i < EACH_CODES; i++) {
      Index code = first + own + i * ACROSS;
      if (code < codes && distance[i] < best.distance) best = {distance[i], code};
    }
  }
  for (int bits = ACROSS / 2; bits; bits /= 2)
    best = nearer(best, {__shfl_xor_sync(ALL_LANES, best.distance, bits), __shfl_xor_sync(ALL_LANES, best.code, bits)});
  if (own == 0 && first_row + row < rows) nearest[first_row + row] = best.code;
}
