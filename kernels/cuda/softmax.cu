// Softmax, log-softmax and cross-entropy of the rows of a matrix, forward and backward: one warp a row.
//
// Lane l of the warp takes the elements l, l + 32, l + 64, ... of its row: neighbours in memory at the same moment.
// The row is read again for each sweep (greatest, sum, result), from the cache after the first time.
// A NaN, an infinity or a row of -inf alone turns the sum into NaN, and with it the row, as in the definition.
#include "common.cuh"

// What softmax(x)_i = exp(x_i - m) / s is made of.
struct Shift { real greatest; real sum; };

__device__ __forceinline__ Shift shift_of_row(const stored* x, Index columns) {
  real m = -infinity();
  for (EACH_OF_ROW(i, columns)) m = fmax(m, (real)x[i]);
  m = warp_max(m);
  wide sum = 0;
  for (EACH_OF_ROW(i, columns)) sum += exp(x[i] - m);
  return {m, (real)warp_sum(sum)};
}

extern "C" __global__ void __launch_bounds__(128, 8)
softmax_rows(const stored* __restrict__ x, stored* __restrict__ y, Index rows, Index columns) {
  Index row = warp_index();
  if (row >= rows) return;
  x += row * columns;
  y += row * columns;
  Shift s = shift_of_row(x, columns);
  for (EACH_OF_ROW(i, columns)) y[i] = exp(x[i] - s.greatest) / s.sum;
}

extern "C" __global__ void __launch_bounds__(128, 8)
log_softmax_rows(const stored* __restrict__ x, stored* __restrict__ y, Index rows, Index columns) {
  Index row = warp_index();
  if (row >= rows) return;
  x += row * columns;
  y += row * columns;
  Shift s = shift_of_row(x, columns);
  real log_sum = log(s.sum);
  for (EACH_OF_ROW(i, columns)) y[i] = (x[i] - s.greatest) - log_sum;  // in this order: x - m is exact
}

// dx = y (g - sum g y)
extern "C" __global__ void __launch_bounds__(128, 8)
softmax_backward_rows(const stored* __restrict__ g, const stored* __restrict__ y, stored* __restrict__ dx, Index rows,
                      Index columns) {
  Index row = warp_index();
  if (row >= rows) return;
  g += row * columns;
  y += row * columns;
  dx += row * columns;
  wide along = 0;
  for (EACH_OF_ROW(i, columns)) along += (wide)g[i] * y[i];
  along = warp_sum(along);
  for (EACH_OF_ROW(i, columns)) dx[i] = y[i] * (g[i] - along);
}

// dx = g - exp(y) sum g
extern "C" __global__ void __launch_bounds__(128, 8)
log_softmax_backward_rows(const stored* __restrict__ g, const stored* __restrict__ y, stored* __restrict__ dx,
                          Index rows, Index columns) {
  Index row = warp_index();
  if (row >= rows) return;
  g += row * columns;
  y += row * columns;
  dx += row * columns;
  wide total = 0;
  for (EACH_OF_ROW(i, columns)) total += g[i];
  total = warp_sum(total);
  for (EACH_OF_ROW(i, columns)) dx[i] = g[i] - exp((real)y[i]) * (real)total;
}

// loss = lse - x_t, lse = m + log s: both per row. A target that is no class gives NaN.
extern "C" __global__ void __launch_bounds__(128, 8)
cross_entropy_rows(const stored* __restrict__ x, const Index* __restrict__ target, real* __restrict__ loss,
                   real* __restrict__ lse, Index rows, Index columns) {
  Index row = warp_index();
  if (row >= rows) return;
  x += row * columns;
  Shift s = shift_of_row(x, columns);
  if (lane() == 0) {
    Index t = target[row];
    real log_sum = log(s.sum);
    loss[row] = log_sum - (0 <= t && t < columns ? x[t] - s.greatest : 0 * infinity());
    lse[row] = s.greatest + log_sum;
  }
}

// dx = g (exp(x - lse) - onehot(t)), g one number a row
extern "C" __global__ void __launch_bounds__(128, 8)
cross_entropy_backward_rows(const real* __restrict__ g, const stored* __restrict__ x, const Index* __restrict__ target,
                            const real* __restrict__ lse, stored* __restrict__ dx, Index rows, Index columns) {
  Index row = warp_index();
  if (row >= rows) return;
  x += row * columns;
  dx += row * columns;
  for (EACH_OF_ROW(i, columns)) dx[i] = g[row] * (exp(x[i] - lse[row]) - (i == target[row]));
}
