// The gradient of a convolution in its filters, as an implicit matrix product whose depth are the pixels of all images:
//
//   dw (channels of g, taps and channels of x) = g (channels, pixels) patches (pixels, taps and channels of x)
//
// The depth is long and the result small: it is cut into parts (gemm.cuh), added up in one order. WIDTH_G, WIDTH_X:
// channels that are loaded at a time.
#include "patches.cuh"

// The loader of g (pixels, channels), of which `width` channels are used.
struct Cotangent {
  static const bool ALONG_DEPTH = false;
  static const int CHUNK = WIDTH_G;
  const stored* start;
  Index channels, width, pixels;

  struct Side { const stored* start; bool inside; };
  struct Depth { Index offset; bool inside; };

  __device__ __forceinline__ Side side_at(Index channel) const { return {start + channel, channel < width}; }
  __device__ __forceinline__ Depth depth_at(Index pixel) const { return {pixel * channels, pixel < pixels}; }
  __device__ __forceinline__ void copy(stored* to, const Side& side, const Depth& at) const {
    bring<CHUNK>(to, side.start + at.offset, side.inside && at.inside);
  }
};

// Patches, turned over: a column for each tap and channel, and cells along the depth.
struct Turned {
  typedef Patches<WIDTH_X> P;
  static const bool ALONG_DEPTH = false;
  static const int CHUNK = WIDTH_X;
  typedef P::Depth Side;
  typedef P::Side Depth;
  P patches;

  __device__ __forceinline__ Side side_at(Index i) const { return patches.depth_at(i); }
  __device__ __forceinline__ Depth depth_at(Index k) const { return patches.side_at(k); }
  __device__ __forceinline__ void copy(stored* to, const Side& side, const Depth& at) const {
    patches.copy(to, at, side);
  }
};

// Where dw (channels of g, width, taps) is written, or a part of its sums.
struct Taps {
  stored* whole;
  real* part;
  int taps;
  const Cells& cells;

  __device__ __forceinline__ void operator()(Index row, Index column, real sum) const {
    int tap = cells.by_width.quotient(column), channel = cells.by_width.remainder(column);
    Index place = (row * cells.width + channel) * taps + tap;
    if (part) part[place] = sum;
    else whole[place] = sum;
  }
};

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
filter_gradient(stored* __restrict__ dw, real* __restrict__ parts, const real* __restrict__, Index rows, Index columns,
                Index depth, const stored* __restrict__ g, const stored* __restrict__ x, Index groups, Index width,
                Index kernel_h, Index kernel_w, Index stride_h, Index stride_w, Index padding_h, Index padding_w,
                Index dilation_h, Index dilation_w, Index source_h, Index source_w, Index target_h, Index target_w) {
  extern __shared__ __align__(16) stored memory[];
  __shared__ Cells cells;
  if (threadIdx.x == 0) {
    Axis down = axis(false, 0, kernel_h, stride_h, padding_h, dilation_h, source_h, target_h);
    Axis across = axis(false, 0, kernel_w, stride_w, padding_w, dilation_w, source_w, target_w);
    cells = cells_of(down, across, groups, width, depth);
  }
  __syncthreads();
  Place at = place(rows, columns, depth);
  Index group = at.batch, size = rows * columns;
  Cotangent left{g + group * rows, groups * rows, rows, depth};
  Turned right{{x + group * width, cells}};
  real* part = parts ? parts + (blockIdx.y * groups + group) * size : nullptr;
  multiply(memory, left, right, at, rows, columns,
           Taps{dw + group * size, part, (int)(kernel_h * kernel_w), cells});
}
