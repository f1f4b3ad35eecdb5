"""How many threads the kernels use, which threading layer carries them, and the memory they work in (`memory`).

A kernel cuts its work into `thread_count()` parts of fixed bounds, so its result depends on the number of
threads but never on their timing. Numba's OpenMP layer opens a region in under 2 microseconds, its own work
queue in 60 to 80: the first is preferred unless NUMBA_THREADING_LAYER(_PRIORITY) says otherwise.
"""

import os
import threading
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

config: Any = numba.core.config
_parallel: Any = numba.np.ufunc.parallel

# Waiting OpenMP threads spin by default, which slows every launch many times as soon as another process wants a core.
# They sleep here; GNU's spin briefly first, which is quicker while the machine is quiet. The library
# reads this when it is loaded, so it must be said before the first launch.
if not ({"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()):
    os.environ.update(OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="6000")

if not ({"NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"} & os.environ.keys()):
    config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]


_forked = False


def _in_child() -> None:
    """OpenMP's threads do not survive a fork, and its library ends a child that asks for them."""
    global _forked
    _forked = getattr(_parallel, "_is_initialized", True)


os.register_at_fork(after_in_child=_in_child)


def _number() -> int:
    """Numba's threads, without the two locks under which it asks each time whether it has started them."""
    try:
        return _parallel._get_num_threads()  # type: ignore[no-any-return]
    except AttributeError:  # it has not
        return numba.get_num_threads()


def thread_count(work: int | None = None, least: int = 1) -> int:
    """Threads a kernel cuts its work into: Numba's, but no more than leaves each `least` units of `work`.

    A thread that sleeps, as they do while Python prepares the next kernel, takes some 25 microseconds to wake: `least`
    is about as much as keeps one busy for so long. One in a process forked off after the threads were started, such
    as a data loader's.
    """
    if _forked or config.NUMBA_NUM_THREADS == 1 or (work is not None and work < 2 * least):
        return 1
    threads = _number()
    return threads if work is None or threads == 1 else max(1, min(threads, work // least))


_LARGEST_KEPT = 1 << 24  # floats: 64 MiB
LINE = 16  # floats in a cache line
_kept = threading.local()


def _aligned(size: int) -> NDArray[np.float32]:
    """Uninitialised floats from the start of a cache line on: vectors across two lines load at half the speed."""
    whole = np.empty(size + LINE, np.float32)
    first = -whole.__array_interface__["data"][0] % (4 * LINE) // 4
    return whole[first : first + size]


def memory(name: str, size: int) -> NDArray[np.float32]:
    """Uninitialised float32 numbers, `size` or more: the caller's until it next asks for `name`.

    They begin on a cache line. Kept between calls, one array for each name and Python thread, growing as needed; beyond
    64 MiB it is not kept.
    """
    kept = _kept.__dict__
    array = kept.get(name)
    if array is None or array.size < size:
        array = _aligned(size)
        if size <= _LARGEST_KEPT:
            kept[name] = array
    return array


def scratch(name: str, threads: int, size: int) -> NDArray[np.float32]:
    """`memory` as an array (threads, size) whose rows begin on a cache line: `size` is rounded up."""
    size = max(size, 1)
    size += -size % LINE
    return memory(name, threads * size)[: threads * size].reshape(threads, size)
