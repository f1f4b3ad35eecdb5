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

// What the threads of a block are to know of a convolution. It lies in shared memory: there are registers for little
// beside the sums.
struct Cells {
  Axis down, across;
  int channels, width;  // of a pixel of the source, and those used
  Index rows;           // cells of all images
  Index depth;          // taps and channels that each of them sees
};

const int OUTSIDE = -(1 << 30);  // no pixel, wherever one goes from here

// The loader of a matrix with a row for each cell of all images, and a column for each tap and channel: what the cell
// sees. Pieces of COUNT channels. There are fewer than 2^31 pixels.
template <int COUNT>
struct Patches {
  static const bool ALONG_DEPTH = true;
  static const int CHUNK = COUNT;
  const stored* image;  // the first channel that is used
  const Cells& cells;

  struct Side { int pixel, h, w; };
  struct Depth { int pixel, h, w, channel; };

  __device__ __forceinline__ Side side_at(Index row) const {
    if (row >= cells.rows) return {0, OUTSIDE, 0};
    const Axis &down = cells.down, &across = cells.across;
    int place = (int)row / across.cells, n = place / down.cells;
    int h = place % down.cells * down.read + down.base, w = (int)row % across.cells * across.read + across.base;
    return {(n * down.source + h) * across.source + w, h, w};
  }

  __device__ __forceinline__ Depth depth_at(Index k) const {
    if (k >= cells.depth) return {0, OUTSIDE, 0, 0};
    int tap = (int)k / cells.width, channel = (int)k % cells.width;
    int h = tap / cells.across.taps * cells.down.step, w = tap % cells.across.taps * cells.across.step;
    return {h * cells.across.source + w, h, w, channel};
  }

  __device__ __forceinline__ void copy(stored* to, const Side& side, const Depth& at) const {
    int h = side.h + at.h, w = side.w + at.w;
    bool inside = 0 <= h && h < cells.down.source && 0 <= w && w < cells.across.source;
    bring<CHUNK>(to, image + ((side.pixel + at.pixel) * (Index)cells.channels + at.channel), inside);
  }
};
