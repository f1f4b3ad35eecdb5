// The matrix product on a block of threads, C (rows, columns) = A (rows, depth) B (depth, columns): the building block
// of matmul, and of convolutions, whose A is gathered from an image as it is loaded and never written down ("implicit
// GEMM", Chetlur et al. 2014). Element (i, k) is A's at row i, or B's at column i, and depth k.
//
// A block of THREADS threads makes a tile of C, BLOCK_M x BLOCK_N, BLOCK_K of the depth at a time. While it multiplies,
// the next STAGES - 1 tiles of A and B are on their way into shared memory (ptx.cuh). Its warps, WARPS_M x WARPS_N of
// them, share out the tile; a warp keeps its part of C in registers, as many small products beside each other.
// These names and ARITHMETIC are constants that the host compiles a file with: see gemm.py.
//
// A kernel over it is written so (product.cu is one):
//
//   extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
//   kernel(stored* y, real* parts, const real* bias, Index rows, Index columns, Index depth, ...) {
//     extern __shared__ __align__(16) stored memory[];
//     Place at = place(rows, columns, depth);
//     multiply(memory, loader of A, loader of B, at, rows, columns, result(y, parts, bias, at, rows, columns));
//   }
//
// and started by `product` of gemm.py.
//
// A LOADER brings pieces of CHUNK elements of A or B to shared memory. They are neighbours in memory, and so will be in
// the tile: they differ in k if ALONG_DEPTH, else in i. It has
//
//   static const bool ALONG_DEPTH; static const int CHUNK;    // 1, or 16 bytes where every piece is aligned
//   struct Side;  Side side_at(Index i) const;                // what is to be known of a row of A, a column of B: made
//                                                             // once for each that a thread loads, kept in registers
//   struct Depth; Depth depth_at(Index k) const;              // of a depth: made for each tile anew
//   void copy(stored* to, const Side&, const Depth&) const;   // the piece that starts there, by `bring<CHUNK>`
//
// and is asked for i and k beyond its operand, too: there it brings zeros. (i and k of a piece are multiples of CHUNK.)
// `Matrix` below is the loader of a plain matrix.
//
// FINISH is called for each element of C within rows and columns, once: finish(row, column, sum), `sum` a real.
// `Result` below writes it down, with a bias.
//
// ARITHMETIC, a struct of fragments.cuh, says how numbers are multiplied. Sums are float32 (float64 for float64), from
// the first k to the last; how exact that is, kernels/rounding.py says.
//
// The depth may be cut into parts, each by a block of its own (gridDim.y), where C has few tiles and the depth is
// large: `Result` then writes sums of parts, which parts.cu adds up, always in one order.
#pragma once
#include "fragments.cuh"

static_assert(THREADS == 32 * WARPS_M * WARPS_N, "a thread for each lane");

// ---- which tile of C, and which part of the depth

struct Place {
  Index batch, row, column;  // of several products, the one of this block; its tile's first row and column
  Index first, last;         // depths of its part
  Index number;              // of C, among those of all parts and products
};

// Block (x, y): the x-th tile of C, of all matrices of a batch, those beside each other first; the y-th part.
__device__ __forceinline__ Place place(Index rows, Index columns, Index depth) {
  Index across = (columns + BLOCK_N - 1) / BLOCK_N, down = (rows + BLOCK_M - 1) / BLOCK_M;
  Index tiles = (depth + BLOCK_K - 1) / BLOCK_K, span = (tiles + gridDim.y - 1) / gridDim.y * BLOCK_K;
  Index first = min(blockIdx.y * span, depth), batch = blockIdx.x / (across * down);
  return {batch, blockIdx.x / across % down * BLOCK_M, blockIdx.x % across * BLOCK_N, first, min(first + span, depth),
          blockIdx.y * (gridDim.x / (across * down)) + batch};
}

// ---- loading

// COUNT elements, or zeros unless `inside`: `from` is not read then, though it must be aligned.
template <int COUNT>
__device__ __forceinline__ void bring(stored* to, const stored* from, bool inside) {
  if constexpr (COUNT * sizeof(stored) >= 4)
    copy_async<COUNT * sizeof(stored)>(to, from, inside);
  else  // a single bfloat16, too small for cp.async
    *to = inside ? *from : stored(0);
}

// All pieces that this thread loads of each tile of an operand: threads that follow each other take neighbours.
template <int SIDE, class Loader>
struct Supply {
  static const int ACROSS = (Loader::ALONG_DEPTH ? BLOCK_K : SIDE) / Loader::CHUNK;  // pieces in a row of the tile
  static const int STEP = THREADS / ACROSS;                                          // rows, all threads at a time
  static const int COUNT = (Loader::ALONG_DEPTH ? SIDE : BLOCK_K) / STEP;
  static_assert(THREADS % ACROSS == 0 && COUNT * STEP == (Loader::ALONG_DEPTH ? SIDE : BLOCK_K), "pieces left over");

  const Loader& loader;
  int row, column;
  typename Loader::Side sides[Loader::ALONG_DEPTH ? COUNT : 1];

  __device__ __forceinline__ Supply(const Loader& of, Index first)
      : loader(of), row(threadIdx.x / ACROSS), column(threadIdx.x % ACROSS * Loader::CHUNK) {
    if constexpr (Loader::ALONG_DEPTH) {
#pragma unroll
      for (int c = 0; c < COUNT; c++) sides[c] = loader.side_at(first + row + c * STEP);
    } else {
      sides[0] = loader.side_at(first + column);
    }
  }

  __device__ __forceinline__ void load(const Tile<SIDE, Loader::ALONG_DEPTH>& tile, Index k) const {
    if constexpr (Loader::ALONG_DEPTH) {
      typename Loader::Depth depth = loader.depth_at(k + column);
#pragma unroll
      for (int c = 0; c < COUNT; c++) loader.copy(&tile(row + c * STEP, column), sides[c], depth);
    } else {
#pragma unroll
      for (int c = 0; c < COUNT; c++)
        loader.copy(&tile(column, row + c * STEP), sides[0], loader.depth_at(k + row + c * STEP));
    }
  }
};

// The loader of a matrix in memory: element (i, k) at i * depth + k if ALONG, else at k * size + i. Pieces have COUNT.
template <bool ALONG, int COUNT>
struct Matrix {
  static const bool ALONG_DEPTH = ALONG;
  static const int CHUNK = COUNT;
  const stored* start;
  Index size, depth;

  struct Side { const stored* start; bool inside; };
  struct Depth { Index offset; bool inside; };

  __device__ __forceinline__ Side side_at(Index i) const { return {start + i * (ALONG ? depth : 1), i < size}; }
  __device__ __forceinline__ Depth depth_at(Index k) const { return {k * (ALONG ? 1 : size), k < depth}; }
  __device__ __forceinline__ void copy(stored* to, const Side& side, const Depth& at) const {
    bring<CHUNK>(to, side.start + at.offset, side.inside && at.inside);
  }
};

// ---- the product

template <class Left, class Right, class Finish>
__device__ __forceinline__ void multiply(stored* memory, const Left& left, const Right& right, const Place& at,
                                         Index rows, Index columns, const Finish& finish) {
  typedef ARITHMETIC A;
  typedef Tile<BLOCK_M, Left::ALONG_DEPTH> LeftTile;
  typedef Tile<BLOCK_N, Right::ALONG_DEPTH> RightTile;
  const int DOWN = BLOCK_M / WARPS_M / A::M, ACROSS = BLOCK_N / WARPS_N / A::N;  // small products of a warp
  int warp = threadIdx.x / 32;
  int i0 = warp / WARPS_N * (BLOCK_M / WARPS_M), j0 = warp % WARPS_N * (BLOCK_N / WARPS_N);

  Supply<BLOCK_M, Left> left_supply(left, at.row);
  Supply<BLOCK_N, Right> right_supply(right, at.column);
  int tiles = (at.last - at.first + BLOCK_K - 1) / BLOCK_K;
  auto stage = [&](int number) { return memory + number % STAGES * (LeftTile::SIZE + RightTile::SIZE); };
  auto load = [&](int number) {
    if (number < tiles) {
      left_supply.load({stage(number)}, at.first + number * (Index)BLOCK_K);
      right_supply.load({stage(number) + LeftTile::SIZE}, at.first + number * (Index)BLOCK_K);
    }
    commit_copies();  // an empty group, too: waiting goes by their number
  };

  real sums[DOWN][ACROSS][A::SUMS] = {};
  for (int number = 0; number < STAGES - 1; number++) load(number);
  for (int number = 0; number < tiles; number++) {
    wait_for_copies<STAGES - 2>();
    __syncthreads();  // the tile is there for all, and nobody reads the one before, whose place the next load takes
    load(number + STAGES - 1);
    LeftTile left_tile{stage(number)};
    RightTile right_tile{stage(number) + LeftTile::SIZE};
#pragma unroll
    for (int k = 0; k < BLOCK_K; k += A::K) {
      decltype(A::left(left_tile, 0, 0)) a[DOWN];
      decltype(A::right(right_tile, 0, 0)) b[ACROSS];
#pragma unroll
      for (int m = 0; m < DOWN; m++) a[m] = A::left(left_tile, i0 + m * A::M, k);
#pragma unroll
      for (int n = 0; n < ACROSS; n++) b[n] = A::right(right_tile, j0 + n * A::N, k);
#pragma unroll
      for (int m = 0; m < DOWN; m++)
#pragma unroll
        for (int n = 0; n < ACROSS; n++) A::multiply(sums[m][n], a[m], b[n]);
    }
  }

#pragma unroll
  for (int m = 0; m < DOWN; m++)
#pragma unroll
    for (int n = 0; n < ACROSS; n++)
#pragma unroll
      for (int e = 0; e < A::SUMS; e++) {
        Index row = at.row + i0 + m * A::M + A::row(e), column = at.column + j0 + n * A::N + A::column(e);
        if (row < rows && column < columns) finish(row, column, sums[m][n][e]);
      }
}

// Where C is written, by rows: as a whole, with a bias for each column or none (null); or, where `part` is not null, a
// part of the sums, to which parts.cu adds the others and the bias.
struct Result {
  stored* whole;
  real* part;
  const real* bias;
  Index columns;

  __device__ __forceinline__ void operator()(Index row, Index column, real sum) const {
    Index place = row * columns + column;
    if (part) part[place] = sum;
    else whole[place] = bias ? sum + bias[column] : sum;
  }
};

// Of a kernel's first arguments: C of all products, one after the other, and if not null of all parts of all products.
__device__ __forceinline__ Result result(stored* y, real* parts, const real* bias, const Place& at, Index rows,
                                         Index columns) {
  return {y + at.batch * rows * columns, parts ? parts + at.number * rows * columns : nullptr, bias, columns};
}
