// What is left to do of a product whose depth was cut into parts (gemm.cuh).
#include "common.cuh"

// y[i] = bias[i % columns] + the sum of parts[p, i] over p, in the order of p, rectified; `bias` may be null.
extern "C" __global__ void __launch_bounds__(256, 6)
add_parts(const real* __restrict__ parts, const real* __restrict__ bias, Index count, Index columns,
          stored* __restrict__ y, Index size, real slope) {
  for (EACH(i, size)) {
    wide sum = bias ? bias[i % columns] : 0;
    for (Index p = 0; p < count; p++) sum += parts[p * size + i];
    y[i] = rectified(sum, slope);
  }
}
