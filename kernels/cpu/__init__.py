"""The kernels on the CPU, in Numba; each equals its namesake in `definitions/` and is tested against it.

How far float32 may be from the definition in float64 stands in tests/kernels/test_float32.py, kernel by kernel; float64
is as exact as the definition, and `kernels.implementation("definition")` takes the definitions for everything.

Numba compiles a Python function to machine code, by LLVM, when it is first called; an `@intrinsic` is one whose LLVM
instructions we write ourselves. examples/a_fast_convolution.py walks through what makes them fast and measures it.

The way of a 3x3 convolution with many channels, from the call to the multiplications, and why it is fast:

    tinygen/ops/convolution.py: conv2d, _conv2d   checks; then one operation, with bias and rectifier
    kernels/__init__.py: choose         float32 in NumPy's memory is for this folder
    convolution.py: conv2d, _forward    what these shapes need is found once (_convolution): here, Winograd's form
    convolution_plan.py: run            memory to work in is kept from call to call
    launch.py: launch                   machine code from here on: two tasks, one after the other, on every thread
    convolution_winograd.py: _transform_weights   the first, and _forward the second:
      _source_tiles                       49 tiles of 6x6 pixels at a time, which stay in the second-level cache, are
                                          transformed: 36 values each, by additions
      multiply                            ... multiplied with the weights: 36 products make 4x4 outputs, plainly 144
      _output                             ... and transformed back; bias and rectifier while they are in registers
    gemm.py: multiply, _product_tile    a product of matrices, a tile of its result in registers: in _fma an
                                        instruction multiplies and adds as many floats as a vector has, 16 with AVX-512

To be read in this order:

    simd.py                          a vector of floats as a value; how many lanes, by the processor
    compiled.py                      what compiled code calls, compiled for that alone
      pipeline.py                      ... and by which of Numba's passes
    launch.py, threads.py            one compiled function, or one after the other, on every thread
      built_in.py                      ... asked for as Python asks for its own
      arguments.py                     ... and what it is told, read out of Python's objects
      ahead.py, turns.py               ... and a second process that compiles what is needed next
    openblas.py                      what else has threads
    rectifier.py                     the plainest kernel: one sweep over memory; what it loads with is in packing.py
    few.py                           the same for few entries: as one of NumPy's functions
    elementwise.py                   sweeps with polynomials
    fusion.py                        sweeps written by a program, from a formula, in the words of
      fused_loops.py, functions.py     ... these, and of trigonometry.py
      streaming.py                     ... and results too large for the caches
    gemm.py                          the microkernel: a tile of the result in registers
    packing.py                       matrices brought into the order in which it reads them
    product.py                       the matrix product
    convolution.py                   which algorithm serves which shape:
      convolution_layout.py            axes, cells, phases; bands of rows with zero borders
      convolution_plan.py              what a call is done with: found once for its shapes, then run
      convolution_gather.py            which rows of pixels and of weights are multiplied
      convolution_direct.py            ... products of these: everything there is no special form for
      cook_toom.py                     fewer multiplications
      convolution_tiles.py             ... on tiles of 4x4 outputs
      convolution_winograd.py          ... for kernels of 3x3, and of 4x4 at stride 2
      convolution_columns.py           few output channels
      convolution_grouped.py           groups of few channels
    attention.py, attention_blocks.py  a block of queries at a time, the gradient from the log-sum-exp
    normalisation.py                 several passes over what is in cache: shapes and layouts
      normalisation_pixels.py          one run of pixels, for batch and group normalisation
      normalisation_sweeps.py          ... what a thread does with such runs
      normalisation_planes.py          channels one behind the other, by given statistics
      normalisation_rows.py            rows, for layer and RMS normalisation
    softmax.py                       the same for rows of logits
      softmax_columns.py               ... and for columns
    wide.py                          a vector's numbers as float64, in which sums are gathered
    reduction.py, folds.py           sums and other folds, in an order that does not depend on the threads
    running.py, scans.py             running sums and products
    codebook.py                      the nearest code: by a product in float32, checked in float64
    update.py, norm.py, philox.py    the optimiser's step, the gradient's norm, random bits

The rest are short sweeps: arithmetic.py, division.py, doubling.py, gamma.py, gate.py, joining.py and rows_copied.py,
pooling.py, rows.py (entries by index), select.py, triangle.py.
"""
