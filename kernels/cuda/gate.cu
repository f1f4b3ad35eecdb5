// The gate tanh(a) sigmoid(b) of images with the channels last in memory, and its gradient.
//
// A row of x holds the numbers a of a pixel and then its numbers b, `width` of each; a row of y, and of g, `width`.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256)
gate(const stored* __restrict__ x, stored* __restrict__ y, Index size, Index width) {
  for (EACH(i, size)) {
    Index at = i + i / width * width;
    y[i] = tanh((real)x[at]) * sigmoid((real)x[at + width]);
  }
}

// da = g s (1 - t^2), db = g t s (1 - s), t = tanh(a), s = sigmoid(b)
extern "C" __global__ void __launch_bounds__(256)
gate_backward(const stored* __restrict__ g, const stored* __restrict__ x, stored* __restrict__ dx, Index size,
              Index width) {
  for (EACH(i, size)) {
    Index at = i + i / width * width;
    real t = tanh((real)x[at]), s = sigmoid((real)x[at + width]), gs = (real)g[i] * s;
    dx[at] = gs * (1 - t * t);
    dx[at + width] = gs * t * (1 - s);
  }
}
