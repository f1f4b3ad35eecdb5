// Sums, sums of squares, greatest and least of arrays along axes: x (before, n, after) -> y (before, after).
//
// Axes that are neighbours in memory are one here, and reduction.py takes several groups of them one by one. What is too
// long for a thread, a warp or a block is cut into chunks of `span`: the kernel then writes parts (before, chunks,
// after), in double, and is launched again on these. Everything is added in an order of its own, whatever the threads
// do: the same bits every time, which atomic additions would not give.
//   each       a thread for each result, for short n
//   rows       after = 1: a warp for each chunk of a row, as in softmax.cu
//   columns    a block for each chunk of some columns; its threads that share a column meet in shared memory
// The result goes to `parts` if it is not null, else to `y`.
#include "common.cuh"

struct Sum {
  static __device__ __forceinline__ wide start() { return 0; }
  static __device__ __forceinline__ wide of(wide x) { return x; }
  static __device__ __forceinline__ wide both(wide a, wide b) { return a + b; }
};

struct Squares : Sum {
  static __device__ __forceinline__ wide of(wide x) { return x * x; }
};

// NaN wins, as in NumPy.
struct Greatest : Sum {
  static __device__ __forceinline__ wide start() { return -infinity(); }
  static __device__ __forceinline__ wide both(wide a, wide b) { return a >= b || a != a ? a : b; }
};

struct Least : Sum {
  static __device__ __forceinline__ wide start() { return infinity(); }
  static __device__ __forceinline__ wide both(wide a, wide b) { return a <= b || a != a ? a : b; }
};

__device__ __forceinline__ void put(wide value, Index i, wide* parts, stored* y) {
  if (parts) parts[i] = value;
  else y[i] = value;
}

template <class Op, class In>
__device__ __forceinline__ void each(const In* x, wide* parts, stored* y, Index before, Index n, Index after) {
  for (EACH(i, before * after)) {
    const In* own = x + i / after * n * after + i % after;
    wide value = Op::start();
    for (Index j = 0; j < n; j++) value = Op::both(value, Op::of(own[j * after]));
    put(value, i, parts, y);
  }
}

template <class Op, class In>
__device__ __forceinline__ void rows(const In* x, wide* parts, stored* y, Index before, Index n, Index span) {
  Index chunks = (n + span - 1) / span, place = warp_index(), first = place % chunks * span;
  if (place >= before * chunks) return;
  x += place / chunks * n + first;
  wide value = Op::start();
  for (EACH_OF_ROW(i, min(span, n - first))) value = Op::both(value, Op::of(x[i]));
  for (int bits = 16; bits; bits /= 2) value = Op::both(value, __shfl_xor_sync(ALL_LANES, value, bits));
  if (lane() == 0) put(value, place, parts, y);
}

// Threads (x, y): x counts columns, y the rows that are taken at a time. Blocks go through the columns first.
template <class Op, class In>
__device__ __forceinline__ void columns(wide* shared, const In* x, wide* parts, stored* y, Index n, Index after,
                                        Index span) {
  Index across = (after + blockDim.x - 1) / blockDim.x, chunks = (n + span - 1) / span;
  Index column = blockIdx.x % across * blockDim.x + threadIdx.x, place = blockIdx.x / across;
  Index first = place % chunks * span, last = min(first + span, n);
  x += place / chunks * n * after + column;
  wide value = Op::start();
  if (column < after)
    for (Index i = first + threadIdx.y; i < last; i += blockDim.y) value = Op::both(value, Op::of(x[i * after]));
  shared[threadIdx.y * blockDim.x + threadIdx.x] = value;
  __syncthreads();
  if (threadIdx.y != 0 || column >= after) return;
  for (int i = 1; i < blockDim.y; i++) value = Op::both(value, shared[i * blockDim.x + threadIdx.x]);
  put(value, place * after + column, parts, y);
}

#define KERNELS(name, Op, In)                                                                                        \
  extern "C" __global__ void __launch_bounds__(256)                                                                  \
  name##_each(const In* __restrict__ x, wide* __restrict__ parts, stored* __restrict__ y, Index before, Index n,     \
              Index after, Index span) {                                                                             \
    each<Op>(x, parts, y, before, n, after);                                                                         \
  }                                                                                                                  \
  extern "C" __global__ void __launch_bounds__(256)                                                                  \
  name##_rows(const In* __restrict__ x, wide* __restrict__ parts, stored* __restrict__ y, Index before, Index n,     \
              Index after, Index span) {                                                                             \
    rows<Op>(x, parts, y, before, n, span);                                                                          \
  }                                                                                                                  \
  extern "C" __global__ void __launch_bounds__(256)                                                                  \
  name##_columns(const In* __restrict__ x, wide* __restrict__ parts, stored* __restrict__ y, Index before, Index n,  \
                 Index after, Index span) {                                                                          \
    __shared__ wide shared[256];                                                                                     \
    columns<Op>(shared, x, parts, y, n, after, span);                                                                \
  }

KERNELS(sum, Sum, stored)
KERNELS(squares, Squares, stored)
KERNELS(greatest, Greatest, stored)
KERNELS(least, Least, stored)
KERNELS(sum_of_parts, Sum, wide)
KERNELS(greatest_of_parts, Greatest, wide)
KERNELS(least_of_parts, Least, wide)

// The last step of sums over many rows that another kernel began: each of its blocks has added up its own, in double.
// y[c] = sum over r of x[r, c], in the order of r.
extern "C" __global__ void __launch_bounds__(128, 8)
add_rows(const wide* __restrict__ x, Index rows, Index columns, real* __restrict__ y) {
  for (EACH(c, columns)) {
    wide sum = 0;
    for (Index r = 0; r < rows; r++) sum += x[r * columns + c];
    y[c] = sum;
  }
}
