// A choice between two arrays, entry by entry, and between an array and a number.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
choose(const stored* __restrict__ a, const bool* __restrict__ condition, const stored* __restrict__ b,
       stored* __restrict__ y, Index n) {
  for (EACH(i, n)) y[i] = condition[i] ? a[i] : b[i];
}

extern "C" __global__ void __launch_bounds__(256)
choose_number(const stored* __restrict__ a, const bool* __restrict__ condition, real b, stored* __restrict__ y,
              Index n) {
  stored other = b;
  for (EACH(i, n)) y[i] = condition[i] ? a[i] : other;
}
