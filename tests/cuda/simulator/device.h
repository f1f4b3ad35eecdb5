// CUDA's language for g++: what a .cu file finds when it is compiled to run on the CPU, in the tests.
//
// A thread of a block is a fiber of runtime.cpp. A barrier or a warp operation hands the processor to the next fiber.
// Static shared memory lies in a section of its own, so that runtime.cpp can fill it with NaN before each block.
// (GCC before 14 forgets the section inside templates: shared arrays are declared in the kernels themselves.)
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__ __attribute__((visibility("hidden")))  // of this library alone
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __constant__ static const
#define __shared__ static __attribute__((section("block_shared")))
#define __align__(n) alignas(n)

struct dim3 { unsigned x = 1, y = 1, z = 1; };
struct alignas(8) int2 { int x, y; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// In CUDA these are overloaded in the global namespace; C's own are of double alone.
using std::abs, std::acos, std::asin, std::atan, std::atan2, std::atanh, std::ceil, std::copysign, std::cos, std::cosh;
using std::erf, std::erfc, std::exp, std::exp2, std::expm1, std::floor, std::fma, std::fmax, std::fmin, std::log10;
using std::isfinite, std::isinf, std::isnan, std::log, std::log1p, std::log2, std::max, std::min, std::pow, std::sin;
using std::sinh, std::sqrt, std::tan, std::tanh;

#undef INFINITY  // NVRTC has no <math.h>
#undef NAN

struct bfloat16;  // of kernels/cuda/bfloat16.cuh

namespace simulator {

struct Place { const char* file; int line; int id; };  // the id tells two barriers on one line apart
struct Warp { unsigned arrived; int id; void* operands[32]; };
enum State : char { READY, AT_BARRIER, IN_WARP, DONE };
struct Copy { char* to; const char* from; int bytes; bool inside; unsigned group; };
struct Thread {
  void* stack_pointer;
  char* stack;
  dim3 index;
  unsigned lane;
  Warp* warp;
  State state;
  Place place;
  std::vector<Copy> copies;  // begun and not waited for: see ptx.cpp
  unsigned groups;           // of copies, committed so far
};

extern Thread* current;
extern dim3 grid_size, block_size, block_index;
extern char* dynamic_shared;
extern size_t dynamic_shared_bytes;

void block_barrier(Place place);
// Every lane of `mask` brings its operands; the last to come runs `combine` on those of all.
void meet(unsigned mask, void* operands, void (*combine)(void** operands, unsigned mask), Place place);
void fail(Place place, const char* text);

template <class T>
T shuffle(unsigned mask, T value, int source, Place place) {
  struct Operands { T value, result; int source; bool idle; } own{value, value, source, false};
  meet(mask, &own, [](void** all, unsigned mask) {
    for (int lane = 0; lane < 32; lane++) {
      if (!(mask >> lane & 1)) continue;
      auto* o = static_cast<Operands*>(all[lane]);
      if (o->source < 0 || o->source > 31) continue;  // beyond the warp: the lane keeps its own
      if (mask >> o->source & 1) o->result = static_cast<Operands*>(all[o->source])->value;
      else o->idle = true;
    }
  }, place);
  if (own.idle) fail(place, "a shuffle reads from a lane that takes no part in it");
  return own.result;
}

inline unsigned ballot(unsigned mask, bool vote, Place place) {
  struct Operands { bool vote; unsigned result; } own{vote, 0};
  meet(mask, &own, [](void** all, unsigned mask) {
    unsigned result = 0;
    for (int lane = 0; lane < 32; lane++)
      if (mask >> lane & 1) result |= unsigned(static_cast<Operands*>(all[lane])->vote) << lane;
    for (int lane = 0; lane < 32; lane++)
      if (mask >> lane & 1) static_cast<Operands*>(all[lane])->result = result;
  }, place);
  return own.result;
}

// What the launcher is told of a kernel's parameters: "const f4*", "i8", "V2*" for bfloat16 as NumPy has it, "s32*" for
// any other struct of 32 bytes.
template <class T>
std::string parameter() {
  if constexpr (std::is_pointer_v<T>) {
    using Target = std::remove_pointer_t<T>;
    return (std::is_const_v<Target> ? "const " : "") + parameter<std::remove_const_t<Target>>() + "*";
  } else {
    const char* kind = std::is_same_v<T, bool> ? "b" : std::is_floating_point_v<T> ? "f"
        : std::is_same_v<T, bfloat16> ? "V" : std::is_class_v<T> ? "s" : std::is_signed_v<T> ? "i" : "u";
    return kind + std::to_string(sizeof(T));
  }
}

template <class... P>
const char* parameters(void (*)(P...)) {
  static std::string text = (std::string() + ... + (parameter<P>() + ","));
  return text.c_str();
}

template <class... P, size_t... I>
void call(void (*kernel)(P...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<P*>(arguments[I])...);
}
template <class... P>
void call(void (*kernel)(P...), void** arguments) { call(kernel, arguments, std::index_sequence_for<P...>{}); }

}  // namespace simulator

// Written after the .cu file, once for each of its kernels.
#define EXPORT(kernel)                                                                         \
  extern "C" const char* parameters_##kernel() { return simulator::parameters(kernel); }       \
  extern "C" void call_##kernel(void** arguments) { simulator::call(kernel, arguments); }

#define threadIdx (simulator::current->index)
#define blockIdx (simulator::block_index)
#define blockDim (simulator::block_size)
#define gridDim (simulator::grid_size)
#define warpSize 32

#define PLACE simulator::Place{__FILE__, __LINE__, __COUNTER__}
#define LANE int(simulator::current->lane)
#define __syncthreads() simulator::block_barrier(PLACE)
#define __syncwarp() simulator::meet(0xffffffffu, nullptr, [](void**, unsigned) {}, PLACE)
#define __shfl_sync(mask, value, lane) simulator::shuffle(mask, value, int(lane), PLACE)
#define __shfl_xor_sync(mask, value, bits) simulator::shuffle(mask, value, LANE ^ int(bits), PLACE)
#define __shfl_down_sync(mask, value, by) simulator::shuffle(mask, value, LANE + int(by), PLACE)
#define __shfl_up_sync(mask, value, by) simulator::shuffle(mask, value, LANE - int(by), PLACE)
#define __ballot_sync(mask, vote) simulator::ballot(mask, vote, PLACE)
#define __any_sync(mask, vote) (__ballot_sync(mask, vote) != 0)
#define __all_sync(mask, vote) (__ballot_sync(mask, !(vote)) == 0)

// Fibers take turns, so a plain update is atomic.
template <class T> T atomicAdd(T* p, T v) { T old = *p; *p += v; return old; }
template <class T> T atomicMax(T* p, T v) { T old = *p; *p = std::max(old, v); return old; }
template <class T> T atomicCAS(T* p, T compare, T v) { T old = *p; if (old == compare) *p = v; return old; }
inline void __threadfence() {}

inline float rsqrt(float x) { return 1 / std::sqrt(x); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline unsigned __float_as_uint(float x) { unsigned b; memcpy(&b, &x, 4); return b; }
inline float __uint_as_float(unsigned b) { float x; memcpy(&x, &b, 4); return x; }
inline long long __double_as_longlong(double x) { long long b; memcpy(&b, &x, 8); return b; }
inline double __longlong_as_double(long long b) { double x; memcpy(&x, &b, 8); return x; }
