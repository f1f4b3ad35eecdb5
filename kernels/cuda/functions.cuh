// Functions of one number that more than one file needs; exp is only ever taken of -|x|, so nothing overflows.
#pragma once
#include "common.cuh"

// log(1 + exp(x))
__device__ __forceinline__ real softplus(real x) {
  return (x <= 0 ? 0 : x) + log1p(exp(-fabs(x)));
}

// Phi(x) by the complementary error function: accurate far to the left.
__device__ __forceinline__ real normal_cdf(real x) { return (real)0.5 * erfc(-x * (real)0.70710678118654752440); }
