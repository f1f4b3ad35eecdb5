// Instructions of the card that CUDA C++ has no name for: products of small matrices, and copies that go on by
// themselves. They are those of PTX, NVIDIA's virtual assembly (PTX ISA, sections "mma.sync", "ldmatrix" and
// "cp.async"), from sm_80 on.
//
// PRODUCTS. A warp multiplies a 16 x K matrix A by a K x 8 matrix B and adds the result to a 16 x 8 matrix D of floats.
// Every lane holds some elements of each in its registers (a "fragment"). With g = lane / 4 and t = lane % 4:
//
//   mma_tf32, K = 8: a register is an element
//
//              A      t      t + 4          B      g                D      2t    2t + 1
//            g       a[0]     a[2]       t        b[0]            g       d[0]    d[1]
//            g + 8   a[1]     a[3]       t + 4    b[1]            g + 8   d[2]    d[3]
//
//   mma_bf16, K = 16: a register is two elements whose k are neighbours, the first in its lower half
//
//              A    2t, 2t + 1   2t + 8, 2t + 9          B               g
//            g         a[0]           a[2]            2t, 2t + 1        b[0]
//            g + 8     a[1]           a[3]            2t + 8, 2t + 9    b[1]           D as above
//
// So lane 0 of mma_tf32 holds A's elements (0, 0), (8, 0), (0, 4), (8, 4), and lane 31 those at (7, 3), (15, 3), ...
// Products are exact; they are added in float32, rounded towards zero (Fasi, Higham, Mikaitis and Pranesh 2021).
//
// MATRICES of 8 x 8 elements of 16 bits are loaded from shared memory as mma_bf16 wants them: register q of lane l gets
// elements (l / 4, 2 (l % 4)) and (l / 4, 2 (l % 4) + 1) of matrix q, or, TRANSPOSED, of its transpose. Lane l brings
// the address of row l % 8 of matrix l / 8, 16 bytes that lie on a multiple of 16.
//
// COPIES from global to shared memory without a register on the way, while the thread goes on. Those that a thread has
// begun since its last `commit_copies` are a group; `wait_for_copies<N>` waits until all of its groups but the N newest
// are there. It waits for the thread's own copies alone: a barrier must follow before others read them.
//
// tests/cuda/simulator/ptx.h has the same functions for the CPU; held to this page by tests/cuda/test_simulated_ptx.py.
#pragma once

// The nearest number with 10 bits after the point, ties away from zero. mma_tf32 itself just ignores the 13 last bits.
__device__ __forceinline__ unsigned round_to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

// Two bfloat16, the nearest to each, ties to even.
__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
  unsigned bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ unsigned shared_address(const void* p) {
  unsigned address;
  asm("{ .reg .u64 a; cvta.to.shared.u64 a, %1; cvt.u32.u64 %0, a; }" : "=r"(address) : "l"(p));
  return address;
}

// Four matrices.
template <bool TRANSPOSED>
__device__ __forceinline__ void load_matrices(unsigned (&r)[4], const void* row) {
  if constexpr (TRANSPOSED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// Two: the addresses of lanes 16 to 31 are not used.
template <bool TRANSPOSED>
__device__ __forceinline__ void load_matrices(unsigned (&r)[2], const void* row) {
  if constexpr (TRANSPOSED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row))
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row))
                 : "memory");
}

// Begins to copy BYTES (4, 8 or 16) to shared memory, or, not `inside`, zeros: `from` is not read then. Both addresses
// are multiples of BYTES. 16 bytes go past the first-level cache, which takes no part of less.
template <int BYTES>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool inside) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
  if constexpr (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(inside ? 16 : 0)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(BYTES),
                 "r"(inside ? BYTES : 0)
                 : "memory");
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int NEWEST>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(NEWEST) : "memory");
}
