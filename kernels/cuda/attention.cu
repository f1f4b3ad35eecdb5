// Attention and its gradients without the matrix of scores (FlashAttention: Dao et al. 2022; the softmax that goes
// along: Milakov and Gimelshein 2018). Formulas: definitions/attention.py.
//
// LANES threads share a row (a query, or in backward_keys a key) and hold its numbers in registers, thread l those at
// l, l + LANES, ...; a block has ROWS rows of one batch. The rows on the other side pass by in tiles of shared memory:
// each is loaded once for all rows of the block. A score is a sum over the row's threads, by shuffles.
#include "common.cuh"

const int LANES = sizeof(real) == 4 ? 8 : 16;
const int MOST = 128;             // numbers in a row; _MOST in attention.py
const int SLICE = MOST / LANES;   // of them in a thread
const int ROWS = 128 / LANES;     // rows of a block of 128 threads; _rows in attention.py
const int TILE = 256 / LANES;     // rows that pass by at a time

// for (EACH_OF_SLICE(i, c, size)): number c of the row is the thread's own number i.
#define EACH_OF_SLICE(i, c, size) int i = 0, c = threadIdx.x % LANES; i < SLICE; i++, c += LANES) if (c < (size)

// Which batch and which row this thread works for.
struct Place { Index batch, first, row; };

__device__ __forceinline__ Place place(Index rows) {
  Index blocks = (rows + ROWS - 1) / ROWS, first = blockIdx.x % blocks * ROWS;
  return {blockIdx.x / blocks, first, first + threadIdx.x / LANES};
}

__device__ __forceinline__ void load(real (&slice)[SLICE], const stored* row, bool inside, int size) {
#pragma unroll
  for (EACH_OF_SLICE(i, c, size)) slice[i] = inside ? (real)row[c] : 0;
}

__device__ __forceinline__ void store(const real (&slice)[SLICE], real factor, stored* row, int size) {
#pragma unroll
  for (EACH_OF_SLICE(i, c, size)) row[c] = factor * slice[i];
}

// The rows `first` to `first + TILE` of a matrix (count, size), by all threads of the block; zeros after the last.
__device__ __forceinline__ void load_tile(real (&tile)[TILE][MOST], const stored* rows, Index first, Index count,
                                          int size) {
  for (int i = threadIdx.x; i < TILE * size; i += blockDim.x) {
    int r = i / size, c = i % size;
    tile[r][c] = first + r < count ? (real)rows[(first + r) * size + c] : 0;
  }
}

// The inner product of the row with another, in each of its threads.
template <class T>
__device__ __forceinline__ real inner(const real (&slice)[SLICE], const T* other, int size) {
  real sum = 0;
#pragma unroll
  for (EACH_OF_SLICE(i, c, size)) sum += slice[i] * other[c];
#pragma unroll
  for (int bits = LANES / 2; bits; bits /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, bits);
  return sum;
}

__device__ __forceinline__ void add(real (&sum)[SLICE], real factor, const real* other, int size) {
#pragma unroll
  for (EACH_OF_SLICE(i, c, size)) sum[i] += factor * other[c];
}

// The score of query i and key j, -infinity where it may not look; `mask` is added, with a stride for each of the two.
__device__ __forceinline__ real masked(real score, Index i, Index j, const real* mask, Index row_stride,
                                       Index column_stride, Index causal) {
  if (causal && j > i) return -infinity();
  if (!mask) return score;
  real bias = mask[i * row_stride + j * column_stride];
  return bias == -infinity() ? bias : score + bias;
}

extern "C" __global__ void __launch_bounds__(128, 4)
attention(const stored* __restrict__ q, const stored* __restrict__ k, const stored* __restrict__ v,
          const real* __restrict__ mask, stored* __restrict__ y, real* __restrict__ lse, Index queries, Index keys,
          Index d, Index e, real scale, Index causal, Index batch_stride, Index row_stride, Index column_stride) {
  __shared__ real k_tile[TILE][MOST], v_tile[TILE][MOST];
  Place at = place(queries);
  bool inside = at.row < queries;
  if (mask) mask += at.batch * batch_stride;
  real own[SLICE], sum[SLICE] = {};
  load(own, q + (at.batch * queries + at.row) * d, inside, d);
  real greatest = -infinity(), total = 0;  // of the scores so far; of their exponentials, less the greatest
  Index last = causal ? min(keys, at.first + ROWS) : keys;
  for (Index first = 0; first < last; first += TILE) {
    __syncthreads();  // until nobody reads the tile before
    load_tile(k_tile, k + at.batch * keys * d, first, keys, d);
    load_tile(v_tile, v + at.batch * keys * e, first, keys, e);
    __syncthreads();
    for (Index j = first; j < min(first + TILE, last); j++) {
      real score = scale * inner(own, k_tile[j - first], d);
      score = inside ? masked(score, at.row, j, mask, row_stride, column_stride, causal) : -infinity();
      if (score == -infinity()) continue;
      real peak = fmax(greatest, score), keep = exp(greatest - peak), weight = exp(score - peak);
      total = total * keep + weight;
#pragma unroll
      for (int i = 0; i < SLICE; i++) sum[i] *= keep;
      add(sum, weight, v_tile[j - first], e);
      greatest = peak;
    }
  }
  if (!inside) return;
  store(sum, total == 0 ? 0 : 1 / total, y + (at.batch * queries + at.row) * e, e);
  if (threadIdx.x % LANES == 0) lse[at.batch * queries + at.row] = greatest + log(total);
}

// dq = scale dS k of a query's row, and along = rowsum(g y), which backward_keys needs too.
extern "C" __global__ void __launch_bounds__(128, 4)
backward_queries(const stored* __restrict__ g, const stored* __restrict__ q, const stored* __restrict__ k,
                 const stored* __restrict__ v, const stored* __restrict__ y, const real* __restrict__ lse,
                 const real* __restrict__ mask, real* __restrict__ along, stored* __restrict__ dq, Index queries,
                 Index keys, Index d, Index e, real scale, Index causal, Index batch_stride, Index row_stride,
                 Index column_stride) {
  __shared__ real k_tile[TILE][MOST], v_tile[TILE][MOST];
  Place at = place(queries);
  bool inside = at.row < queries;
  if (mask) mask += at.batch * batch_stride;
  Index row = inside ? at.batch * queries + at.row : 0;
  real own[SLICE], cotangent[SLICE], sum[SLICE] = {};
  load(own, q + row * d, inside, d);
  load(cotangent, g + row * e, inside, e);
  real own_lse = lse[row], own_along = inner(cotangent, y + row * e, e);
  Index last = causal ? min(keys, at.first + ROWS) : keys;
  for (Index first = 0; first < last; first += TILE) {
    __syncthreads();
    load_tile(k_tile, k + at.batch * keys * d, first, keys, d);
    load_tile(v_tile, v + at.batch * keys * e, first, keys, e);
    __syncthreads();
    for (Index j = first; j < min(first + TILE, last); j++) {
      real score = scale * inner(own, k_tile[j - first], d), dp = inner(cotangent, v_tile[j - first], e);
      score = inside ? masked(score, at.row, j, mask, row_stride, column_stride, causal) : -infinity();
      if (score == -infinity()) continue;
      add(sum, exp(score - own_lse) * (dp - own_along), k_tile[j - first], d);
    }
  }
  if (!inside) return;
  store(sum, scale, dq + row * d, d);
  if (threadIdx.x % LANES == 0) along[row] = own_along;
}

// dk = scale dS^T q and dv = P^T g of a key's row: the queries pass by.
extern "C" __global__ void __launch_bounds__(128, 4)
backward_keys(const stored* __restrict__ g, const stored* __restrict__ q, const stored* __restrict__ k,
              const stored* __restrict__ v, const real* __restrict__ lse, const real* __restrict__ mask,
              const real* __restrict__ along, stored* __restrict__ dk, stored* __restrict__ dv, Index queries,
              Index keys, Index d, Index e, real scale, Index causal, Index batch_stride, Index row_stride,
              Index column_stride) {
  __shared__ real q_tile[TILE][MOST], g_tile[TILE][MOST];
  Place at = place(keys);
  bool inside = at.row < keys;
  if (mask) mask += at.batch * batch_stride;
  Index row = at.batch * keys + at.row;
  real own[SLICE], value[SLICE], dk_sum[SLICE] = {}, dv_sum[SLICE] = {};
  load(own, k + row * d, inside, d);
  load(value, v + row * e, inside, e);
  for (Index first = causal ? at.first / TILE * TILE : 0; first < queries; first += TILE) {
    __syncthreads();
    load_tile(q_tile, q + at.batch * queries * d, first, queries, d);
    load_tile(g_tile, g + at.batch * queries * e, first, queries, e);
    __syncthreads();
    for (Index i = first; i < min(first + TILE, queries); i++) {
      real score = scale * inner(own, q_tile[i - first], d), dp = inner(value, g_tile[i - first], e);
      score = inside ? masked(score, i, at.row, mask, row_stride, column_stride, causal) : -infinity();
      if (score == -infinity()) continue;
      real p = exp(score - lse[at.batch * queries + i]);
      add(dv_sum, p, g_tile[i - first], e);
      add(dk_sum, p * (dp - along[at.batch * queries + i]), q_tile[i - first], d);
    }
  }
  if (!inside) return;
  store(dk_sum, scale, dk + row * d, d);
  store(dv_sum, 1, dv + row * e, e);
}
