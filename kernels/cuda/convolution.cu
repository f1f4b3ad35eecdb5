// Convolution, and its gradient in the image (which is the transposed convolution), as an implicit matrix product:
//
//   target (cells of all images, channels) = patches (cells, taps and channels of the source) filters (.., channels)
//
// Patches are gathered as they are loaded: see patches.cuh, and gemm.cuh for the product. Groups of channels that do not
// see each other, and the phases of a gradient, are products of their own. WIDTH: channels that are loaded at a time.
#include "patches.cuh"

// Where the target is written, or a part of its sums (see Result in gemm.cuh).
struct Pixels {
  stored* whole;
  real* part;
  const real* bias;
  Index channels, first;  // of a pixel, and of those the first that is written
  real slope;
  const Cells& cells;

  __device__ __forceinline__ void operator()(Index row, Index column, real sum) const {
    const Axis &down = cells.down, &across = cells.across;
    Index pixel = row, channel = first + column;
    if (down.write * across.write > 1) {
      Cell at = cell(cells, row);
      int h = at.h * down.write + down.phase, w = at.w * across.write + across.phase;
      if (h >= down.target || w >= across.target) return;  // the last cell of an axis is not there in every phase
      pixel = ((Index)at.n * down.target + h) * across.target + w;
    }
    if (part) part[pixel * channels + channel] = sum;
    else whole[pixel * channels + channel] = rectified(bias ? sum + bias[channel] : sum, slope);
  }
};

// The loader of the filters, packed (phases, most_depth, groups, size) by packing.cu.
struct Filters {
  static const bool ALONG_DEPTH = false;
  static const int CHUNK = 16 / sizeof(stored);
  const stored* packed;  // of the phase and the group
  Index step;            // from one depth to the next
  int size;
  const Cells& cells;

  struct Side { const stored* start; bool inside; };
  struct Depth { Index offset; bool inside; };

  __device__ __forceinline__ Side side_at(Index column) const { return {packed + column, column < size}; }
  __device__ __forceinline__ Depth depth_at(Index k) const { return {k * step, k < cells.depth}; }
  __device__ __forceinline__ void copy(stored* to, const Side& side, const Depth& at) const {
    bring<CHUNK>(to, side.start + at.offset, side.inside && at.inside);
  }
};

// `depth` is that of the phase with most taps; `slope`, what negative results are multiplied by.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
convolve(stored* __restrict__ y, real* __restrict__ parts, const real* __restrict__ bias, Index rows, Index columns,
         Index depth, const stored* __restrict__ x, const stored* __restrict__ filters, Index size,
         real slope, Index is_gradient, Index groups, Index width, Index kernel_h, Index kernel_w, Index stride_h,
         Index stride_w, Index padding_h, Index padding_w, Index dilation_h, Index dilation_w, Index source_h,
         Index source_w, Index target_h, Index target_w) {
  extern __shared__ __align__(16) stored memory[];
  __shared__ Cells cells;
  Place at = place(rows, columns, depth);
  Index group = at.batch % groups, phase = at.batch / groups, phases = is_gradient ? stride_w : 1;
  if (threadIdx.x == 0) {
    Axis down = axis(is_gradient, phase / phases, kernel_h, stride_h, padding_h, dilation_h, source_h, target_h);
    Axis across = axis(is_gradient, phase % phases, kernel_w, stride_w, padding_w, dilation_w, source_w, target_w);
    cells = cells_of(down, across, groups, width, rows);
  }
  __syncthreads();
  at.last = min(at.last, cells.depth);
  at.first = min(at.first, at.last);
  Patches<WIDTH> left{x + group * width, cells};
  Filters right{filters + (phase * depth * groups + group) * size, groups * size, (int)size, cells};
  Index channels = groups * columns, images = rows / (cells.down.cells * (Index)cells.across.cells);
  real* part = parts ? parts + blockIdx.y * images * target_h * target_w * channels : nullptr;
  Pixels target{y, part, bias, channels, group * columns, slope, cells};
  multiply(memory, left, right, at, rows, columns, target);
}
