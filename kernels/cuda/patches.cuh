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
#include "gemm.cuh"

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

const int OUTSIDE = -(1 << 30);  // no pixel, wherever one goes from here

// The loader of a matrix with a row for each cell of all images, and a column for each tap and channel: what the cell
// sees. Pieces of COUNT channels.
template <int COUNT>
struct Patches {
  static const bool ALONG_DEPTH = true;
  static const int CHUNK = COUNT;
  const stored* image;   // the first channel that is used
  int channels, width;   // of a pixel, and those used
  Axis down, across;
  Index rows;

  struct Side { const stored* start; int h, w; };
  struct Depth { Index offset; int h, w; };

  __device__ __forceinline__ Index depth() const { return (Index)down.taps * across.taps * width; }

  __device__ __forceinline__ Side side_at(Index row) const {
    if (row >= rows) return {image, OUTSIDE, 0};
    int h = row / across.cells % down.cells * down.read + down.base, w = row % across.cells * across.read + across.base;
    Index n = row / across.cells / down.cells;
    return {image + ((n * down.source + h) * across.source + w) * channels, h, w};
  }

  __device__ __forceinline__ Depth depth_at(Index k) const {
    if (k >= depth()) return {0, OUTSIDE, 0};
    int tap = (int)k / width, h = tap / across.taps * down.step, w = tap % across.taps * across.step;
    return {(h * (Index)across.source + w) * channels + (int)k % width, h, w};
  }

  __device__ __forceinline__ void copy(stored* to, const Side& side, const Depth& at) const {
    int h = side.h + at.h, w = side.w + at.w;
    bring<CHUNK>(to, side.start + at.offset, 0 <= h && h < down.source && 0 <= w && w < across.source);
  }
};
