// Functions of one number, applied to every element of an array that is one piece of memory; and their gradients.
#include "common.cuh"

#define MAP(name)                                                                           \
  extern "C" __global__ void __launch_bounds__(256)                                         \
  name##_map(const stored* __restrict__ x, stored* __restrict__ y, Index n) {               \
    for (EACH(i, n)) y[i] = name(x[i]);                                                     \
  }
// dx = g f'(x)
#define MAP_BACKWARD(name)                                                                  \
  extern "C" __global__ void __launch_bounds__(256)                                         \
  name##_backward_map(const stored* __restrict__ g, const stored* __restrict__ x,           \
                      stored* __restrict__ dx, Index n) {                                   \
    for (EACH(i, n)) dx[i] = g[i] * name##_slope(x[i]);                                     \
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

const real SQRT_HALF = 0.70710678118654752440, DENSITY_AT_0 = 0.39894228040143267794;

__device__ __forceinline__ real softplus(real x) {
  return (x <= 0 ? 0 : x) + log1p(exp(-fabs(x)));
}

__device__ __forceinline__ real error_function(real x) { return erf(x); }

__device__ __forceinline__ real silu(real x) { return x * sigmoid(x); }

__device__ __forceinline__ real silu_slope(real x) {
  real s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

// Phi(x) by the complementary error function: accurate far to the left.
__device__ __forceinline__ real normal_cdf(real x) { return (real)0.5 * erfc(-x * SQRT_HALF); }

__device__ __forceinline__ real gelu(real x) { return x * normal_cdf(x); }

__device__ __forceinline__ real gelu_slope(real x) {
  return normal_cdf(x) + x * DENSITY_AT_0 * exp((real)-0.5 * x * x);
}

// At 0 the slope is that of the negative side; NaN stays NaN.
__device__ __forceinline__ real leaky_relu(real x, real a) { return x > 0 ? x : a * x; }
__device__ __forceinline__ real leaky_relu_backward(real g, real x, real a) { return x > 0 ? g : a * g; }

__device__ __forceinline__ real elu(real x, real a) { return x > 0 ? x : a * expm1(x); }
__device__ __forceinline__ real elu_backward(real g, real x, real a) { return x > 0 ? g : g * (a * exp(x)); }

__device__ __forceinline__ real relu(real x) { return x <= 0 ? 0 : x; }

MAP(sigmoid)
MAP(softplus)
MAP(error_function)
MAP(silu)
MAP(gelu)
MAP(relu)
MAP_BACKWARD(silu)
MAP_BACKWARD(gelu)
MAP_OPTION(leaky_relu)
MAP_OPTION(elu)

// Not g times the slope: an infinite or undefined g must not reach past a closed gate.
extern "C" __global__ void __launch_bounds__(256)
relu_backward_map(const stored* __restrict__ g, const stored* __restrict__ x, stored* __restrict__ dx, Index n) {
  for (EACH(i, n)) dx[i] = x[i] > 0 ? (real)g[i] : 0;
}
