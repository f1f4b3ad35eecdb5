// Layer and RMS normalisation of the rows of a matrix, and their gradients: one warp a row.
//
// Formulas: definitions/normalisation.py. With `centred` 0 the mean is taken as 0, which is RMS normalisation.
// A null pointer for weight or bias stands for ones or zeros.
#include "tile.cuh"

// y = weight (x - m) r + bias, m the mean, r = (variance + eps)^(-1/2)
extern "C" __global__ void __launch_bounds__(128, 8)
layer_norm(const stored* __restrict__ x, const real* __restrict__ weight, const real* __restrict__ bias,
           stored* __restrict__ y, real* __restrict__ mean, real* __restrict__ rstd, Index rows, Index columns,
           wide eps, Index centred) {
  Index row = warp_index();
  if (row >= rows) return;
  x += row * columns;
  y += row * columns;
  wide m = 0, squares = 0;
  if (centred) {
    for (EACH_OF_ROW(i, columns)) m += x[i];
    m = warp_sum(m) / columns;
  }
  for (EACH_OF_ROW(i, columns)) squares += (x[i] - m) * (x[i] - m);  // of the centred: no digits cancel
  wide r = 1 / sqrt(warp_sum(squares) / columns + eps);
  for (EACH_OF_ROW(i, columns)) {
    wide z = (x[i] - m) * r;
    if (weight) z *= weight[i];
    if (bias) z += bias[i];
    y[i] = z;
  }
  if (lane() == 0) {
    if (centred) mean[row] = m;
    rstd[row] = r;
  }
}

// dx = r (h - <h> - x_hat <h x_hat>), h = weight g
extern "C" __global__ void __launch_bounds__(128, 8)
layer_norm_backward(const stored* __restrict__ g, const stored* __restrict__ x, const real* __restrict__ weight,
                    const real* __restrict__ mean, const real* __restrict__ rstd, stored* __restrict__ dx, Index rows,
                    Index columns, Index centred) {
  Index row = warp_index();
  if (row >= rows) return;
  g += row * columns;
  x += row * columns;
  dx += row * columns;
  wide m = centred ? (wide)mean[row] : 0, r = rstd[row];
  wide along_one = 0, along_x_hat = 0;
  for (EACH_OF_ROW(i, columns)) {
    wide h = weight ? (wide)g[i] * weight[i] : (wide)g[i];
    along_one += h;
    along_x_hat += h * ((x[i] - m) * r);
  }
  along_one = centred ? warp_sum(along_one) / columns : 0;
  along_x_hat = warp_sum(along_x_hat) / columns;
  for (EACH_OF_ROW(i, columns)) {
    wide h = weight ? (wide)g[i] * weight[i] : (wide)g[i];
    dx[i] = (h - along_one - (x[i] - m) * r * along_x_hat) * r;
  }
}

// Per block of rows and column: the sums of g x_hat (dweight) and of g (dbias); reduction.cu adds the blocks up.
extern "C" __global__ void __launch_bounds__(256, 3)
layer_norm_parameters(const stored* __restrict__ g, const stored* __restrict__ x, const real* __restrict__ mean,
                      const real* __restrict__ rstd, wide* __restrict__ dweight, wide* __restrict__ dbias, Index rows,
                      Index columns, Index span, Index centred) {
  __shared__ wide shared[TILE_ROWS][32];
  Tile t = tile(rows, span);
  wide along_x_hat = 0, along_one = 0;
  if (t.column < columns) {
    for (EACH_OF_TILE(row, t)) {
      wide m = centred ? (wide)mean[row] : 0;
      wide cotangent = g[row * columns + t.column];
      along_x_hat += cotangent * ((x[row * columns + t.column] - m) * rstd[row]);
      along_one += cotangent;
    }
  }
  along_x_hat = column_sum(shared, along_x_hat);
  along_one = column_sum(shared, along_one);
  if (threadIdx.y == 0 && t.column < columns) {
    dweight[blockIdx.x * columns + t.column] = along_x_hat;
    dbias[blockIdx.x * columns + t.column] = along_one;
  }
}
