// The filters w (groups, out, in, kernel_h, kernel_w) of a convolution as its kernels want them, one after the other for
// each phase (axes.cuh): (phases, depth, groups, size). A depth is a tap that the phase sees and a channel of the source;
// zeros fill up those of phases with fewer taps, and `size` behind the channels of the target, so that a product can load
// 16 bytes at a time. The source is `in` and the target `out`, or the other way round in the gradient of the image.
#include "axes.cuh"

extern "C" __global__ void __launch_bounds__(256)
pack_filters(const stored* __restrict__ w, stored* __restrict__ packed, Index phases, Index depth, Index size, Index out,
             Index in, Index is_gradient, Index groups, Index kernel_h, Index kernel_w, Index stride_h, Index stride_w,
             Index padding_h, Index padding_w, Index dilation_h, Index dilation_w) {
  Index source = is_gradient ? out : in, target = is_gradient ? in : out, phases_w = is_gradient ? stride_w : 1;
  for (EACH(i, phases * depth * groups * size)) {
    Index t = i % size, group = i / size % groups, k = i / size / groups % depth, phase = i / size / groups / depth;
    Axis down = axis(is_gradient, phase / phases_w, kernel_h, stride_h, padding_h, dilation_h, 1, 1);
    Axis across = axis(is_gradient, phase % phases_w, kernel_w, stride_w, padding_w, dilation_w, 1, 1);
    Index tap = k / source, from = k % source;
    stored value = 0;
    if (t < target && tap < down.taps * across.taps) {
      Index row = down.first + tap / across.taps * down.apart, column = across.first + tap % across.taps * across.apart;
      Index filter = group * out + (is_gradient ? from : t), channel = is_gradient ? t : from;
      value = w[((filter * in + channel) * kernel_h + row) * kernel_w + column];
    }
    packed[i] = value;
  }
}
