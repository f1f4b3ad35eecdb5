"""CUDA C++ versions of the kernels: arrays in CuPy, the signatures of definitions/.

To be read in this order, each for one idea more:

    common.cuh, elementwise.cu     threads, blocks, grids; every type of array from one text
    gate.cu, select.cu             the same with rows of channels, and with a condition
    softmax.cu                     a warp adds up a row by shuffles
    rows.cu                        and finds by vote what it is to add
    normalisation_rows.cu          the same with two sums and a gradient
    tile.cuh                       threads of different warps meet in shared memory, between barriers
    layout.cu                      and neighbours in memory stay neighbours
    normalisation_channels.cu      work too large for a block: parts, put together by a second kernel
    reduction.cu                   the same for any axes: by thread, by warp, by block
    attention.cu                   tiles of shared memory that all rows of a block use; a softmax that goes along
    ptx.cuh, fragments.cuh         tensor cores
    gemm.cuh, product.cu, parts.cu the matrix product: tiles that are copied while others are multiplied
    axes.cuh, convolution_few.cu   which pixels meet which taps
    division.cuh, patches.cuh,
        convolution.cu             the product of a matrix that is never there, but gathered from an image
    codebook.cu                    the same tiles, and the nearest of all that passed
    chunks.cuh, update.cu          many small arrays in one launch
    block.cuh, norm.cu             a sum over a whole block; one over all gradients
    fusion.cuh, fusion.py          texts that are written when a chain of operations is first met
    philox.cu                      the same bits as on the CPU

launch.py compiles and starts them. Held to the definitions without a GPU by tests/kernels/ and tests/cuda/: run thread
by thread on the CPU, in three orders, once more under address and undefined-behaviour sanitisers (`pytest -m
sanitisers`), and compiled for sm_80 and sm_90 within budgets of registers; on a GPU by `pytest -m gpu`.

Three of them are in kernels/numba_cuda/ once more, in Python's words.
"""
