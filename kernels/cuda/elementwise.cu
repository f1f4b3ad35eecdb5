// Functions of one number, applied to every element of an array that is one piece of memory; and their gradients.
#include "functions.cuh"

#define MAP(name)                                                                           \
  extern "C" __global__ void __launch_bounds__(256)                                         \
  name##_map(const stored* __restrict__ x, stored* __restrict__ y, Index n) {               \
    for (EACH(i, n)) y[i] = name(x[i]);                                                     \
  }
// The same with one option a: the slope below 0.
#define MAP_OPTION(name)                                                                    \
  extern "C" __global__ void __launch_bounds__(256)                                         \
  name##_map(const stored* __restrict__ x, stored* __restrict__ y, Index n, real a) {       \
    for (EACH(i, n)) y[i] = name(x[i], a);                                                  \
  }                                                                                         \
  extern "C" __global__ void __launch_bounds__(256)                                         \
  name##_backward_map(const stored* __restrict__ g, const stored* __restrict__ x,           \
                      stored* __restrict__ dx, Index n, real a) {                           \
    for (EACH(i, n)) dx[i] = name##_backward(g[i], x[i], a);                                \
  }

__device__ __forceinline__ real error_function(real x) { return erf(x); }

// At 0 the slope is that of the negative side; NaN stays NaN.
__device__ __forceinline__ real leaky_relu(real x, real a) { return x > 0 ? x : a * x; }
__device__ __forceinline__ real leaky_relu_backward(real g, real x, real a) { return x > 0 ? g : a * g; }

__device__ __forceinline__ real elu(real x, real a) { return x > 0 ? x : a * expm1(x); }
__device__ __forceinline__ real elu_backward(real g, real x, real a) { return x > 0 ? g : g * (a * exp(x)); }

__device__ __forceinline__ real relu(real x) { return x <= 0 ? 0 : x; }

MAP(sigmoid)
MAP(softplus)
MAP(normal_cdf)
MAP(error_function)
MAP(relu)
MAP_OPTION(leaky_relu)
MAP_OPTION(elu)

// Not g times the slope: an infinite or undefined g must not reach past a closed gate.
extern "C" __global__ void __launch_bounds__(256)
relu_backward_map(const stored* __restrict__ g, const stored* __restrict__ x, stored* __restrict__ dx, Index n) {
  for (EACH(i, n)) dx[i] = x[i] > 0 ? (real)g[i] : 0;
}
