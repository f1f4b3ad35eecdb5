"""The kernels on the CPU, in Numba; each equals its namesake in `definitions/` and is tested against it.

examples/a_fast_convolution.py walks through what makes them fast and measures it. To be read in this order:

    simd.py                          a vector of floats as a value; how many lanes, by the processor
    compiled.py                      what compiled code calls, compiled for that alone
    launch.py, threads.py            one compiled function on every thread
    openblas.py                      what else has threads
    rectifier.py                     the shortest kernel: one sweep over memory
    fusion.py, functions.py          such sweeps written by a program, from a formula
    gemm.py, product.py              the microkernel: a tile of the result in registers; the matrix product
    convolution.py                   which algorithm serves which shape:
      convolution_layout.py            axes, cells, phases; bands of rows with zero borders
      convolution_direct.py            products of gathered rows: everything there is no special form for
      cook_toom.py                     fewer multiplications
      convolution_tiles.py             ... on tiles of 4x4 outputs
      convolution_winograd.py          ... for kernels of 3x3, and of 4x4 at stride 2
      convolution_columns.py           few output channels
      convolution_grouped.py           groups of few channels
    attention.py, attention_blocks.py  a block of queries at a time, the gradient from the log-sum-exp
    normalisation*.py, softmax.py    several passes over what is in cache
    update.py, philox.py             the optimiser's step; random bits

The rest are short: a gather, a sum of rows, a copy.
"""
