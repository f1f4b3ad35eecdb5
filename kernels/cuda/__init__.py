"""CUDA C++ versions of the kernels: arrays in CuPy, the signatures of definitions/. Read common.cuh first.

Held to the definitions without a GPU by tests/cuda/: executed thread by thread on the CPU, and compiled for sm_80 and
sm_90 within budgets of registers and spills.
"""
