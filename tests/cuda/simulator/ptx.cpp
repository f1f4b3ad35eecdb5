// What ptx.h promises. A product is a meeting of the warp, whose last lane multiplies for all. A copy is carried out
// when it is waited for: until then its target is NaN, so that a wait too few shows.
#include "ptx.h"

extern char __start_block_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_block_shared[] __attribute__((weak, visibility("hidden")));

namespace simulator {

// ---- products

struct Fragments { float* d; const unsigned* a; const unsigned* b; };

static float as_float(unsigned bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// To float, towards zero: what a double has beyond a float's significand is cut off.
static float cut(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  bits &= ~uint64_t(0x1fffffff);
  memcpy(&x, &bits, 8);
  return float(x);
}

// D += A B by all lanes' fragments; `element(register, k)` is one of the PER elements of a register.
template <int K, int PER, class Element>
static void multiply(void** lanes, Element element) {
  float a[16][K], b[K][8];
  for (int lane = 0; lane < 32; lane++) {
    auto* own = static_cast<Fragments*>(lanes[lane]);
    int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; half++)  // of K
      for (int p = 0; p < PER; p++) {
        int k = half * (K / 2) + PER * t + p;
        a[g][k] = element(own->a[2 * half], p);
        a[g + 8][k] = element(own->a[2 * half + 1], p);
        b[k][g] = element(own->b[half], p);
      }
  }
  double d[16][8] = {};
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < K; k++)
      for (int j = 0; j < 8; j++) d[i][j] += double(a[i][k]) * b[k][j];
  for (int lane = 0; lane < 32; lane++) {
    float* own = static_cast<Fragments*>(lanes[lane])->d;
    for (int r = 0; r < 4; r++) own[r] = cut(own[r] + d[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2]);
  }
}

void mma_tf32(float* d, const unsigned* a, const unsigned* b, Place place) {
  Fragments own{d, a, b};
  meet(~0u, &own, [](void** lanes, unsigned) {
    multiply<8, 1>(lanes, [](unsigned bits, int) { return as_float(bits & ~0x1fffu); });
  }, place);
}

void mma_bf16(float* d, const unsigned* a, const unsigned* b, Place place) {
  Fragments own{d, a, b};
  meet(~0u, &own, [](void** lanes, unsigned) {
    multiply<16, 2>(lanes, [](unsigned bits, int p) { return as_float(p ? bits & 0xffff0000u : bits << 16); });
  }, place);
}

// ---- shared memory

static bool within(const char* p, int bytes, const char* first, const char* last) {
  return first <= p && p + bytes <= last;
}

static bool is_shared(const void* address, int bytes) {
  auto* p = static_cast<const char*>(address);
  return within(p, bytes, dynamic_shared, dynamic_shared + dynamic_shared_bytes) ||
         within(p, bytes, __start_block_shared, __stop_block_shared);
}

struct Matrices { unsigned* r; int count; bool transposed; const void* row; };

void load_matrices(unsigned* r, int count, bool transposed, const void* row, Place place) {
  Matrices own{r, count, transposed, row};
  if (int(current->lane) < 8 * count) {
    if (reinterpret_cast<uintptr_t>(row) % 16) return fail(place, "a row of a matrix at no multiple of 16 bytes");
    if (!is_shared(row, 16)) return fail(place, "a row of a matrix that is not in shared memory");
  }
  meet(~0u, &own, [](void** lanes, unsigned) {
    auto* all = static_cast<Matrices*>(lanes[0]);
    for (int q = 0; q < all->count; q++) {
      uint16_t m[8][8];
      for (int i = 0; i < 8; i++) memcpy(m[i], static_cast<Matrices*>(lanes[8 * q + i])->row, 16);
      for (int lane = 0; lane < 32; lane++) {
        int i = lane / 4, j = lane % 4 * 2;
        unsigned low = all->transposed ? m[j][i] : m[i][j], high = all->transposed ? m[j + 1][i] : m[i][j + 1];
        static_cast<Matrices*>(lanes[lane])->r[q] = low | high << 16;
      }
    }
  }, place);
}

// ---- copies

void begin_copy(void* to, const void* from, int bytes, bool inside, Place place) {
  auto* target = static_cast<char*>(to);
  if (reinterpret_cast<uintptr_t>(to) % bytes || reinterpret_cast<uintptr_t>(from) % bytes)
    return fail(place, "a copy from or to an address that is no multiple of its size");
  if (!is_shared(to, bytes)) return fail(place, "a copy to what is not shared memory");
  memset(to, 0xff, bytes);
  current->copies.push_back({target, static_cast<const char*>(from), bytes, inside, current->groups});
}

void end_copies(unsigned newest) {
  auto& copies = current->copies;
  size_t ended = 0;
  for (; ended < copies.size() && copies[ended].group + newest < current->groups; ended++) {
    Copy& copy = copies[ended];
    if (copy.inside) memcpy(copy.to, copy.from, copy.bytes);
    else memset(copy.to, 0, copy.bytes);
  }
  copies.erase(copies.begin(), copies.begin() + ended);
}

}  // namespace simulator
