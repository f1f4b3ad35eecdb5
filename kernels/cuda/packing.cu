// The filters w (groups, out, in, taps) of a convolution as its products want them: (groups, taps, source, size), with
// zeros behind the channels of the target, so that all can be loaded 16 bytes at a time. The source is `in` and the
// target `out`, or the other way round in the gradient of the image.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
pack_filters(const stored* __restrict__ w, stored* __restrict__ packed, Index groups, Index out, Index in, Index taps,
             Index size, Index is_gradient) {
  Index source = is_gradient ? out : in, target = is_gradient ? in : out;
  for (EACH(i, groups * taps * source * size)) {
    Index t = i % size, s = i / size % source, tap = i / size / source % taps, group = i / size / source / taps;
    Index k = is_gradient ? s : t, c = is_gradient ? t : s;
    packed[i] = t < target ? w[((group * out + k) * in + c) * taps + tap] : stored(0);
  }
}
