// The norm of all gradients as one vector, and a factor for all of them. Clipping needs no more, and no number of it
// passes through the host: so a captured step can hold it.
#include "block.cuh"
#include "chunks.cuh"

struct Gradient { stored* values; Index size; };

// sums[c] = the sum of the squares in chunk c.
extern "C" __global__ void __launch_bounds__(256)
chunk_squares(const Gradient* __restrict__ tensors, const Chunk* __restrict__ chunks, wide* __restrict__ sums) {
  __shared__ wide shared[MOST_WARPS];
  Chunk c = chunks[blockIdx.x];
  Gradient t = tensors[c.tensor];
  wide sum = 0;
  for (EACH_OF_CHUNK(i, c, t.size)) {
    wide value = (real)t.values[i];
    sum += value * value;
  }
  sum = block_sum(shared, sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// norm = the root of the sum of all `count` sums. One block: atomic additions would take them in any order.
extern "C" __global__ void __launch_bounds__(256)
root_of_sum(const wide* __restrict__ sums, Index count, stored* __restrict__ norm) {
  __shared__ wide shared[MOST_WARPS];
  wide sum = 0;
  for (Index i = threadIdx.x; i < count; i += blockDim.x) sum += sums[i];
  sum = block_sum(shared, sum);
  if (threadIdx.x == 0) *norm = (real)sqrt(sum);
}

extern "C" __global__ void __launch_bounds__(256)
scale(const Gradient* __restrict__ tensors, const Chunk* __restrict__ chunks, const real* __restrict__ factor) {
  if (*factor == 1) return;
  Chunk c = chunks[blockIdx.x];
  Gradient t = tensors[c.tensor];
  for (EACH_OF_CHUNK(i, c, t.size)) t.values[i] = (real)t.values[i] * *factor;
}
