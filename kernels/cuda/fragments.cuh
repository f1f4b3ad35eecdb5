// Tiles of two matrices in shared memory, and how a warp multiplies them: what gemm.cuh is made of.
//
// BLOCK_K, how deep a tile is, is a constant that the host compiles a file with.
#pragma once
#include "common.cuh"
#include "ptx.cuh"

// ---- a tile in shared memory

// Elements (i, k) of SIDE rows or columns and BLOCK_K depths, in memory by i if ALONG_DEPTH, else by k.
//
// The lanes of a warp read elements (lane / 4, lane % 4) at a time, of which no two may lie in one of the 32 banks (a
// bank serves one of the 4-byte words w, w + 32, w + 64, ... at a time). A gap of 16 bytes between the rows of the
// tile, or of 32 bytes by k, shifts each by 4, or 8, banks against the one before: all 32 differ. Of bfloat16 the lanes
// read eight rows of 16 bytes at a time, for which 16 do in either case.
template <int SIDE, bool ALONG>
struct Tile {
  static const bool ALONG_DEPTH = ALONG;
  static const int GAP = (ALONG_DEPTH || sizeof(stored) == 2 ? 16 : 32) / sizeof(stored);
  static const int STRIDE = (ALONG_DEPTH ? BLOCK_K : SIDE) + GAP;
  static const int SIZE = (ALONG_DEPTH ? SIDE : BLOCK_K) * STRIDE;
  stored* memory;

  __device__ __forceinline__ stored& operator()(int i, int k) const {
    return memory[ALONG_DEPTH ? i * STRIDE + k : k * STRIDE + i];
  }
};

// ---- arithmetic: small products C (M, N) += A (M, K) B (K, N) by a warp
//
// A lane holds the elements of C at (row(e), column(e)), e < SUMS, and what `left` and `right` give it of A and B, of
// which `i` and `k` are the first in the tile.

// Multiply-adds one by one, in float32 or float64.
struct Simt {
  static const int M = 8, N = 4, K = 2, SUMS = 1;
  struct Operand { real at[K]; };

  __device__ static __forceinline__ int row(int) { return lane() / 4; }
  __device__ static __forceinline__ int column(int) { return lane() % 4; }

  template <class T>
  __device__ static __forceinline__ Operand left(const T& tile, int i, int k) {
    return {tile(i + lane() / 4, k), tile(i + lane() / 4, k + 1)};
  }
  template <class T>
  __device__ static __forceinline__ Operand right(const T& tile, int i, int k) {
    return {tile(i + lane() % 4, k), tile(i + lane() % 4, k + 1)};
  }
  __device__ static __forceinline__ void multiply(real (&sum)[SUMS], const Operand& a, const Operand& b) {
    for (int k = 0; k < K; k++) sum[0] += a.at[k] * b.at[k];
  }
};

// The products of ptx.cuh: a lane's registers, and where its elements of C lie.
struct TensorCore {
  static const int M = 16, N = 8, SUMS = 4;
  struct Left { unsigned at[4]; };
  struct Right { unsigned at[2]; };

  __device__ static __forceinline__ int row(int e) { return lane() / 4 + e / 2 * 8; }
  __device__ static __forceinline__ int column(int e) { return lane() % 4 * 2 + e % 2; }
};

// Numbers are rounded to 11 significant bits.
struct Tf32 : TensorCore {
  static const int K = 8;

  template <class T>
  __device__ static __forceinline__ Left left(const T& tile, int i, int k) {
    int g = i + lane() / 4, t = k + lane() % 4;
    return {round_to_tf32(tile(g, t)), round_to_tf32(tile(g + 8, t)), round_to_tf32(tile(g, t + 4)),
            round_to_tf32(tile(g + 8, t + 4))};
  }
  template <class T>
  __device__ static __forceinline__ Right right(const T& tile, int i, int k) {
    int g = i + lane() / 4, t = k + lane() % 4;
    return {round_to_tf32(tile(g, t)), round_to_tf32(tile(g, t + 4))};
  }
  __device__ static __forceinline__ void multiply(float (&sum)[SUMS], const Left& a, const Right& b) {
    mma_tf32(sum, a.at, b.at);
  }
};

struct OfBf16 : TensorCore {
  static const int K = 16;

  __device__ static __forceinline__ void multiply(float (&sum)[SUMS], const Left& a, const Right& b) {
    mma_bf16(sum, a.at, b.at);
  }
};

// Numbers are rounded to 8 significant bits. The instruction has depths 2t and 2t + 1 in one register: it is given t
// and t + 4, for A and B alike, as the order of a sum's terms is free and the banks that serve TF32 then serve here.
struct Bf16 : OfBf16 {
  template <class T>
  __device__ static __forceinline__ Left left(const T& tile, int i, int k) {
    int g = i + lane() / 4, t = k + lane() % 4;
    return {pack_bf16(tile(g, t), tile(g, t + 4)), pack_bf16(tile(g + 8, t), tile(g + 8, t + 4)),
            pack_bf16(tile(g, t + 8), tile(g, t + 12)), pack_bf16(tile(g + 8, t + 8), tile(g + 8, t + 12))};
  }
  template <class T>
  __device__ static __forceinline__ Right right(const T& tile, int i, int k) {
    int g = i + lane() / 4, t = k + lane() % 4;
    return {pack_bf16(tile(g, t), tile(g, t + 4)), pack_bf16(tile(g, t + 8), tile(g, t + 12))};
  }
};

// Numbers that lie in memory as bfloat16: their fragments are loaded as matrices of 8 x 8, of which each lane brings
// a row. In a tile by k these rows are depths, which makes the matrices those of the transpose.
struct StoredBf16 : OfBf16 {
  template <class T>
  __device__ static __forceinline__ Left left(const T& tile, int i, int k) {
    int r = lane() % 8, below = lane() / 8 % 2 * 8, behind = lane() / 16 * 8;
    Left f;
    load_matrices<!T::ALONG_DEPTH>(f.at, &tile(i + below + (T::ALONG_DEPTH ? r : 0),
                                               k + behind + (T::ALONG_DEPTH ? 0 : r)));
    return f;
  }
  template <class T>
  __device__ static __forceinline__ Right right(const T& tile, int i, int k) {
    int r = lane() % 8, behind = lane() / 8 % 2 * 8;
    Right f;
    load_matrices<!T::ALONG_DEPTH>(f.at, &tile(i + (T::ALONG_DEPTH ? r : 0), k + behind + (T::ALONG_DEPTH ? 0 : r)));
    return f;
  }
};
