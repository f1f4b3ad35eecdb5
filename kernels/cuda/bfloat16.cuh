// A number of 16 bits with the exponent of a float: the upper half of one, its significand rounded to 8 bits.
//
// For arrays in memory alone: a bfloat16 becomes a float when it is read, and is rounded when it is written.
#pragma once

struct bfloat16 {
  unsigned short bits;

  bfloat16() = default;

  // To the nearest, ties to even: half a unit is added, less the least bit where the upper half is even. NaN stays NaN.
  __device__ __forceinline__ bfloat16(float x) {
    unsigned b = __float_as_uint(x);
    bits = x != x ? 0x7fc0 : (b + 0x7fff + (b >> 16 & 1)) >> 16;
  }

  __device__ __forceinline__ operator float() const { return __uint_as_float((unsigned)bits << 16); }
};
