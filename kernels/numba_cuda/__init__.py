"""Three of the kernels once more in Numba-CUDA, for readers: CUDA's ideas in Python's words.

    rows.py         softmax and layer normalisation; beside it kernels/cuda/softmax.cu and normalisation_rows.cu
    attention.py    tiles of shared memory, a softmax that goes along; beside it kernels/cuda/attention.cu

The functions have the signatures of definitions/ and are called directly: models are served by the table of
kernels/__init__.py, which knows the CUDA C++ alone. They take arrays in CuPy, or in NumPy, which Numba copies there and
back, and start on the default stream. Sums and exponentials are Python's floats, which Numba compiles to float64, as in
the definitions: slower than `real` of common.cuh on most cards, but nothing has to be declared.

With NUMBA_ENABLE_CUDASIM=1 in the environment Numba runs them without a GPU, a thread of the operating system for each
of CUDA's. Held to the definitions so by tests/cuda/test_numba_cuda.py, and on a GPU by `pytest -m gpu`; compiled
without one where libNVVM is installed.
"""
