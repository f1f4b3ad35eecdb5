"""`tinygen bench --device cuda`: every CUDA kernel beside its floor and beside PyTorch; the families' training steps.

kernel.py      what a case is, and what it must move and multiply at least
ceilings.py    the copy and the matrix product that floors (tinygen/bench/floors.py) are made of, timed like all others
products.py    cases that multiply: convolutions, matrix products, attention
passes.py      cases that move memory: all others
clock.py       how work on a device is timed; queues.py: the same for CuPy and for PyTorch

Each library has a process of its own, as on the CPU: two CUDA contexts take turns without touching each other (one that
has nothing to do costs nothing), the memory pools do not compete, and either may bring its own CUDA libraries.
"""
