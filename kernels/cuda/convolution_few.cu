// Convolutions that make few channels from each group: depthwise ones, and the last layer of a network that draws. Of the
// tile of a matrix product they would fill a small part.
//
// COLUMNS: channels that a group makes, or has in g.
#include "axes.cuh"
#include "tile.cuh"

const int PHASES = 8;  // of a gradient along an axis, at most; _PHASES in convolution.py

// `lanes` threads of a warp have a pixel of the target and a group, and take a channel of the source each at a time.
extern "C" __global__ void __launch_bounds__(256)
convolve_few(stored* __restrict__ y, const real* __restrict__ bias, Index size, Index lanes,
             Index depth, const stored* __restrict__ x, const stored* __restrict__ filters, real slope,
             Index is_gradient, Index groups, Index width, Index kernel_h, Index kernel_w, Index stride_h,
             Index stride_w, Index padding_h, Index padding_w, Index dilation_h, Index dilation_w, Index source_h,
             Index source_w, Index target_h, Index target_w) {
  __shared__ Axis all_down[PHASES], all_across[PHASES];
  int phases_h = is_gradient ? stride_h : 1, phases_w = is_gradient ? stride_w : 1, p = threadIdx.x;
  if (p < phases_h) all_down[p] = axis(is_gradient, p, kernel_h, stride_h, padding_h, dilation_h, source_h, target_h);
  if (p < phases_w) all_across[p] = axis(is_gradient, p, kernel_w, stride_w, padding_w, dilation_w, source_w, target_w);
  __syncthreads();
  Index item = (blockIdx.x * (Index)blockDim.x + threadIdx.x) / lanes;
  int own_lane = threadIdx.x % lanes;
  real sums[COLUMNS] = {};
  if (item < size) {
    Index group = item % groups, pixel = item / groups, step = groups * COLUMNS;
    int h = pixel / target_w % target_h, w = pixel % target_w;
    int phase_h = h % phases_h, phase_w = w % phases_w;
    const Axis &down = all_down[phase_h], &across = all_across[phase_w];
    filters += ((Index)phase_h * phases_w + phase_w) * depth * step + group * COLUMNS;
    h = h / phases_h * down.read + down.base;
    w = w / phases_w * across.read + across.base;
    for (int i = 0; i < down.taps; i++) {
      for (int j = 0; j < across.taps; j++) {
        int from_h = h + i * down.step, from_w = w + j * across.step;
        if (from_h < 0 || from_h >= source_h || from_w < 0 || from_w >= source_w) continue;
        Index from = (pixel / target_w / target_h * source_h + from_h) * source_w + from_w;
        const stored* own = x + (from * groups + group) * width;
        const stored* filter = filters + (i * across.taps + j) * width * step;
        for (Index c = own_lane; c < width; c += lanes)
#pragma unroll
          for (int k = 0; k < COLUMNS; k++) sums[k] += (real)own[c] * (real)filter[c * step + k];
      }
    }
  }
#pragma unroll
  for (int k = 0; k < COLUMNS; k++)
    for (int bits = lanes / 2; bits; bits /= 2) sums[k] += __shfl_xor_sync(ALL_LANES, sums[k], bits);
  if (item < size && own_lane == 0)
#pragma unroll
    for (int k = 0; k < COLUMNS; k++)
      y[item * COLUMNS + k] = rectified(bias ? sums[k] + bias[item % groups * COLUMNS + k] : sums[k], slope);
}

// The gradient in the filters: a block of 32 x 8 threads has 32 channels of x, one tap and some rows of g's images, whose
// sum is a part of dw (channels of g, width, taps).
extern "C" __global__ void __launch_bounds__(256)
filter_gradient_few(const stored* __restrict__ g, const stored* __restrict__ x, real* __restrict__ parts, Index rows,
                    Index span, Index groups, Index width, Index kernel_h, Index kernel_w, Index stride_h,
                    Index stride_w, Index padding_h, Index padding_w, Index dilation_h, Index dilation_w,
                    Index source_h, Index source_w, Index target_h, Index target_w) {
  __shared__ wide shared[TILE_ROWS][32];
  Index taps = kernel_h * kernel_w, tap = blockIdx.x % taps, channels = groups * width;
  Index c = blockIdx.x / taps * 32 + threadIdx.x, group = c / width;
  Index across = tap % kernel_w * dilation_w - padding_w, down = tap / kernel_w * dilation_h - padding_h;
  wide sums[COLUMNS] = {};
  for (Index row = blockIdx.y * span; row < min((blockIdx.y + 1) * span, rows); row++) {
    Index n = row / target_h, h = row % target_h * stride_h + down;
    if (h < 0 || h >= source_h || c >= channels) continue;
    for (int q = threadIdx.y; q < target_w; q += TILE_ROWS) {
      Index w = q * stride_w + across;
      if (w < 0 || w >= source_w) continue;
      real own = x[((n * source_h + h) * source_w + w) * channels + c];
#pragma unroll
      for (int k = 0; k < COLUMNS; k++)
        sums[k] += own * (wide)(real)g[((row * target_w + q) * groups + group) * COLUMNS + k];
    }
  }
  for (int k = 0; k < COLUMNS; k++) {
    wide sum = column_sum(shared, sums[k]);
    Index filter = blockIdx.y * groups * COLUMNS + group * COLUMNS + k;
    if (threadIdx.y == 0 && c < channels) parts[(filter * width + c % width) * taps + tap] = sum;
  }
}
