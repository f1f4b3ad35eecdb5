// What the cells of a convolution see (axes.cuh), as a matrix that is gathered while a product loads it (gemm.cuh).
#pragma once
#include "axes.cuh"
#include "division.cuh"
#include "gemm.cuh"

// What the threads of a block are to know of a convolution. It lies in shared memory: there are registers for little
// beside the sums.
struct Cells {
  Axis down, across;
  int channels, width;  // of a pixel of the source, and those used
  Index rows;           // cells of all images
  Index depth;          // taps and channels that each of them sees
  Divisor by_down, by_across, by_taps, by_width;
};

__device__ __forceinline__ Cells cells_of(Axis down, Axis across, int groups, int width, Index rows) {
  return {down, across, groups * width, width, rows, (Index)down.taps * across.taps * width, divisor(down.cells),
          divisor(across.cells), divisor(max(across.taps, 1)), divisor(width)};
}

// Cell `row` of all: its image, row and column.
struct Cell { int n, h, w; };

__device__ __forceinline__ Cell cell(const Cells& cells, int row) {
  int place = cells.by_across.quotient(row);
  return {cells.by_down.quotient(place), cells.by_down.remainder(place), cells.by_across.remainder(row)};
}

const int OUTSIDE = -(1 << 30);  // no pixel, wherever one goes from here

// The loader of a matrix with a row for each cell of all images, and a column for each tap and channel: what the cell
// sees. Pieces of COUNT channels. There are fewer than 2^31 pixels and depths.
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
    Cell at = cell(cells, row);
    int h = at.h * down.read + down.base, w = at.w * across.read + across.base;
    return {(at.n * down.source + h) * across.source + w, h, w};
  }

  __device__ __forceinline__ Depth depth_at(Index k) const {
    if (k >= cells.depth) return {0, OUTSIDE, 0, 0};
    int tap = cells.by_width.quotient(k);
    int h = cells.by_taps.quotient(tap) * cells.down.step, w = cells.by_taps.remainder(tap) * cells.across.step;
    return {h * cells.across.source + w, h, w, (int)k - tap * cells.width};
  }

  __device__ __forceinline__ void copy(stored* to, const Side& side, const Depth& at) const {
    int h = side.h + at.h, w = side.w + at.w;
    bool inside = 0 <= h && h < cells.down.source && 0 <= w && w < cells.across.source;
    bring<CHUNK>(to, image + ((side.pixel + at.pixel) * (Index)cells.channels + at.channel), inside);
  }
};
