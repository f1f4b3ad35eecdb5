"""OpenBLAS, NumPy's usual BLAS, beside the kernels: one thread.

Its threads spin while they wait, as OpenMP's do by default. Where a parallel `np.matmul` comes between kernels, each
then finds the cores taken by the other's waiting threads, and both take 12 to 16 times as long as apart. The kernels'
threads therefore fall asleep soon (threads.py), whoever calls them: a product and a kernel in turn take 1.6 to 2.2
times as long as apart on a quiet machine. Where other processes want the cores, OpenBLAS's threads still wait for one
another. So the kernels call it within `one_blas_thread()`, where in turn is as fast as apart, and so does training as a
whole, whatever its models and metrics do with NumPy; code that alternates the two by itself can do the same. `python
tests/kernels/beside_openblas.py` measures each way. Held by tests/kernels/test_openblas.py.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np


@cache
def thread_functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's get and set of its thread count, from the library NumPy loaded; None if it is another."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".libs", package / ".dylibs"):
        for path in folder.glob("*openblas*"):
            for prefix, suffix in (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", "")):
                try:
                    library = ctypes.CDLL(str(path))
                    get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}")
                    put = getattr(library, f"{prefix}openblas_set_num_threads{suffix}")
                except (OSError, AttributeError):
                    continue
                return get, put
    return None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within the block NumPy's OpenBLAS runs on one thread; nothing happens with another BLAS."""
    functions = thread_functions()
    if functions is None:
        yield
        return
    get, put = functions
    before = get()
    put(1)
    try:
        yield
    finally:
        put(before)
