// The filters w (groups, out, in, taps) of a convolution as its kernels want them: (taps, source, groups, size), with
// zeros behind the channels of the target, so that a product can load 16 bytes at a time. The source is `in` and the
// target `out`, or the other way round in the gradient of the image.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
pack_filters(const stored* __restrict__ w, stored* __restrict__ packed, Index groups, Index out, Index in, Index taps,
             Index size, Index is_gradient) {
  Index source = is_gradient ? out : in, target = is_gradient ? in : out;
  for (EACH(i, taps * source * groups * size)) {
    Index t = i % size, group = i / size % groups, s = i / size / groups % source, tap = i / size / groups / source;
    Index k = is_gradient ? s : t, c = is_gradient ? t : s;
    packed[i] = t < target ? w[((group * out + k) * in + c) * taps + tap] : stored(0);
  }
}
