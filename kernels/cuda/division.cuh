// Division by a number that is the same for many: a multiplication and a shift, where the card has no instruction for
// division and needs some twenty. Granlund and Montgomery 1994, figure 4.1.
#pragma once
#include "common.cuh"

// n / number for 0 <= n < 2^31. With 2^(shift - 1) < number <= 2^shift and factor = floor(2^32 (2^shift - number) /
// number) + 1 it is floor((floor(factor n / 2^32) + n) / 2^shift).
struct Divisor {
  unsigned number, factor, shift;

  __device__ __forceinline__ int quotient(int n) const { return (__umulhi(factor, n) + n) >> shift; }
  __device__ __forceinline__ int remainder(int n) const { return n - quotient(n) * (int)number; }
};

__device__ __forceinline__ Divisor divisor(int number) {
  unsigned shift = 0;
  while (1ll << shift < number) shift++;
  return {(unsigned)number, (unsigned)((((1ll << shift) - number) << 32) / number + 1), shift};
}
