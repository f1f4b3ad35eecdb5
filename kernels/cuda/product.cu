// The matrix product of matrices that lie in memory by rows or by columns, of many pairs at once: see gemm.cuh.
//
// Compiled for each choice of A_ALONG_DEPTH (A lies by rows), B_ALONG_DEPTH (B lies by columns) and WIDTH, how many
// elements are loaded at a time.
#include "gemm.cuh"

// `a_step`, `b_step`: from one A or B to the next, 0 where one serves all.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
multiply_matrices(stored* __restrict__ y, real* __restrict__ parts, const real* __restrict__ bias, Index rows,
                  Index columns, Index depth, const stored* __restrict__ a, const stored* __restrict__ b,
                  Index a_step, Index b_step) {
  extern __shared__ __align__(16) stored memory[];
  Place at = place(rows, columns, depth);
  Matrix<A_ALONG_DEPTH, WIDTH> left{a + at.batch * a_step, rows, depth};
  Matrix<B_ALONG_DEPTH, WIDTH> right{b + at.batch * b_step, columns, depth};
  multiply(memory, left, right, at, rows, columns, result(y, parts, bias, at, rows, columns));
}
