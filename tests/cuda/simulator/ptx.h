// kernels/cuda/ptx.cuh for the CPU: the same functions, what they mean is said there. module.py puts this in its place.
#pragma once
#include "device.h"

namespace simulator {

// Where it was called, by default arguments. Two calls on one line are not told apart.
struct Caller {
  Place place;
  Caller(const char* file = __builtin_FILE(), int line = __builtin_LINE()) : place{file, line, -line} {}
};

void mma_tf32(float* d, const unsigned* a, const unsigned* b, Place place);
void mma_bf16(float* d, const unsigned* a, const unsigned* b, Place place);
void load_matrices(unsigned* r, int count, bool transposed, const void* row, Place place);
void begin_copy(void* to, const void* from, int bytes, bool inside, Place place);
void end_copies(unsigned newest);

}  // namespace simulator

inline unsigned round_to_tf32(float x) {
  unsigned bits;
  memcpy(&bits, &x, 4);
  if (x != x) return 0x7fffffffu;
  return std::isinf(x) ? bits : (bits + 0x1000u) & ~0x1fffu;
}

inline unsigned pack_bf16(float low, float high) {
  auto round = [](float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    return x != x ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  };
  return round(low) | round(high) << 16;
}

inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], simulator::Caller caller = {}) {
  simulator::mma_tf32(d, a, b, caller.place);
}

inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], simulator::Caller caller = {}) {
  simulator::mma_bf16(d, a, b, caller.place);
}

template <bool TRANSPOSED, int COUNT>
inline void load_matrices(unsigned (&r)[COUNT], const void* row, simulator::Caller caller = {}) {
  static_assert(COUNT == 2 || COUNT == 4, "two or four matrices");
  simulator::load_matrices(r, COUNT, TRANSPOSED, row, caller.place);
}

template <int BYTES>
inline __attribute__((always_inline)) void copy_async(void* to, const void* from, bool inside,
                                                      simulator::Caller caller = {}) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
  simulator::begin_copy(to, from, BYTES, inside, caller.place);
  if (inside)  // a source out of bounds is a fault here, not where the copy is waited for
    for (int i = 0; i < BYTES; i++) (void)static_cast<const volatile char*>(from)[i];
}

inline void commit_copies() { simulator::current->groups++; }

template <int NEWEST>
inline void wait_for_copies() { simulator::end_copies(NEWEST); }
