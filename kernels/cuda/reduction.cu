// The last step of sums over many rows: each block of an earlier kernel has added up its own rows, in double.
#include "common.cuh"

// y[c] = sum over r of x[r, c], in the order of r: the same bits every time, which atomic additions would not give.
extern "C" __global__ void __launch_bounds__(128, 8)
add_rows(const wide* __restrict__ x, Index rows, Index columns, real* __restrict__ y) {
  for (EACH(c, columns)) {
    wide sum = 0;
    for (Index r = 0; r < rows; r++) sum += x[r * columns + c];
    y[c] = sum;
  }
}
