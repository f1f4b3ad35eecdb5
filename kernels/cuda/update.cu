// Adam, AdamW and the moving average of weights, in place, over all the tensors of a model in one launch.
//
// Whether a step is taken is known on the device first: `when` are the numbers that it must not be taken without, and
// unless all are finite every thread leaves what it would have written as it is. The host need not wait to know.
#include "chunks.cuh"

struct Moments { stored* p; const stored* g; stored* m; stored* v; Index size; };
struct Average { stored* average; const stored* value; Index size; };

// The numbers of one step, made from its options in float64 on the host: see update.py.
struct Step { real beta1, rest1, beta2, rest2, size, correction2, eps, penalty, keep; };

__device__ __forceinline__ bool all_finite(const double* when, Index count) {
  for (Index i = 0; i < count; i++)
    if (!isfinite(when[i])) return false;
  return true;
}

extern "C" __global__ void __launch_bounds__(256)
adam(const Moments* __restrict__ tensors, const Chunk* __restrict__ chunks, const Step* __restrict__ step,
     const double* __restrict__ when, Index count) {
  if (!all_finite(when, count)) return;
  Chunk c = chunks[blockIdx.x];
  Moments t = tensors[c.tensor];
  Step s = *step;
  for (EACH_OF_CHUNK(i, c, t.size)) {
    real p = s.keep * t.p[i];
    real g = t.g[i] + s.penalty * t.p[i];
    real m = s.beta1 * t.m[i] + s.rest1 * g;
    real v = s.beta2 * t.v[i] + s.rest2 * g * g;
    t.m[i] = m;
    t.v[i] = v;
    t.p[i] = p - s.size * m / (sqrt(v * s.correction2) + s.eps);
  }
}

// average <- average + rest (value - average); a copy, bit by bit, for rest 1
extern "C" __global__ void __launch_bounds__(256)
ema(const Average* __restrict__ tensors, const Chunk* __restrict__ chunks, real rest, const double* __restrict__ when,
    Index count) {
  if (!all_finite(when, count)) return;
  Chunk c = chunks[blockIdx.x];
  Average t = tensors[c.tensor];
  for (EACH_OF_CHUNK(i, c, t.size))
    t.average[i] = rest == 1 ? (real)t.value[i] : t.average[i] + rest * (t.value[i] - t.average[i]);
}
