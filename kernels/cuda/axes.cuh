// Which pixel of an image meets which tap of a filter: the index arithmetic of convolutions.
//
// A convolution and its gradient in the image both fill a grid of cells (definitions/convolution.py says what they
// compute). Along an axis, cell q of phase e, with stride s, padding p, dilation d and t counting the taps that it sees:
//
//   convolution      makes output q           from image row   q s - p + t d               by tap t
//   its gradient     makes image row q s + e  from output row  q + (e + p - i d) / s       by every tap i for which that
//                                                                                          is whole
//
// The convolution has one phase, the gradient s of them. Its taps i are first, first + s / gcd(s, d), ...: no work is
// done for products with a zero. An image is in memory (N, height, width, channels).
#pragma once
#include "common.cuh"

// One axis, for the cells of one phase.
struct Axis {
  int cells;               // of the phase, in the target
  int write, phase;        // cell q makes pixel q * write + phase
  int read, base, step;    // and by its tap t sees pixel q * read + base + t * step
  int first, apart, taps;  // tap t is first + t * apart of the filter's
  int source, target;      // pixels
};

__device__ __forceinline__ Axis axis(bool is_gradient, int phase, int kernel, int stride, int padding, int dilation,
                                     int source, int target) {
  if (!is_gradient) return {target, 1, 0, stride, -padding, dilation, 0, 1, kernel, source, target};
  int common = stride;  // greatest common divisor, by Euclid
  for (int rest = dilation; rest;) {
    int next = common % rest;
    common = rest;
    rest = next;
  }
  int apart = stride / common, first = 0;
  while (first < apart && (phase + padding - first * dilation) % stride) first++;
  int taps = first < min(apart, kernel) ? (kernel - first + apart - 1) / apart : 0;
  int base = (phase + padding - first * dilation) / stride;
  return {(target + stride - 1) / stride, stride, phase, 1, base, -dilation / common, first, apart, taps, source, target};
}
