// What is left to do of a fused chain that ends in sums: fusion.py writes the rest.
#include "fusion.cuh"

// y[piece] = the sum of sums[piece, chunk] over the chunks: a warp for each piece.
extern "C" __global__ void __launch_bounds__(256)
add_chunks(const wide* __restrict__ sums, stored* __restrict__ y, Index pieces, Index chunks) {
  Index piece = warp_index();
  if (piece >= pieces) return;
  wide total = 0;
  for (EACH_OF_ROW(chunk, chunks)) total += sums[piece * chunks + chunk];
  total = warp_sum(total);
  if (lane() == 0) y[piece] = (real)total;
}
