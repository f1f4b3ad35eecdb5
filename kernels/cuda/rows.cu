// Rows added up by index, without atomic additions: these would come in any order, and give other bits each time.
//
// A warp has one row of the result and 32 of its columns, a lane each. It goes through all indices, 32 at a time: each
// lane looks at one, and a vote tells all lanes which of them name their row.
#include "common.cuh"

// out[r, c] = the sum of g[i, c] over the i with rows[i] = r, in the order of i: the bits of the definition.
extern "C" __global__ void __launch_bounds__(128, 8)
add_rows_by_index(const stored* __restrict__ g, const Index* __restrict__ rows, stored* __restrict__ out, Index n,
                  Index count, Index width) {
  Index row = warp_index(), column = blockIdx.y * (Index)32 + lane();
  if (row >= count) return;
  real sum = 0;
  for (Index first = 0; first < n; first += 32) {
    Index own = first + lane();
    unsigned named = __ballot_sync(ALL_LANES, own < n && rows[own] == row);
    for (; named; named &= named - 1) {  // the lowest bit goes
      Index i = first + __ffs(named) - 1;
      if (column < width) sum += (real)g[i * width + column];
    }
  }
  if (column < width) out[row * width + column] = sum;
}
