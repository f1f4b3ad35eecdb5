"""Freed memory is kept for the next array while training lasts, and goes back to the system after it.

glibc's malloc returns large blocks at once, so every step would fault in the same pages anew, thousands of them. Told
to keep them it faults in none, and nothing is left that a pool of arrays of our own would save. Of a training step on
one thread, without and with `keep_memory` (tests/training/page_faults.py):

    DDPM      8477 faults, 259 ms       2 faults, 237 ms
    RealNVP   3392 faults, 186 ms       2 faults, 176 ms
    DCGAN     7056 faults,  43 ms       0 faults,  33 ms
    VQ-VAE       1 fault,   45 ms       1 fault,   48 ms
    VAE          0 faults,   5 ms       0 faults,   5 ms

The peak stays what it is. Nothing happens with another allocator.
Held by tests/training/test_memory.py, which counts the faults and looks at what the system is given back.
"""

import ctypes
from typing import Any

# Parameters of mallopt, from glibc's malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def _of_malloc(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # there is no library of the process itself
        return None


def keep_memory() -> bool:
    """Tells glibc's malloc, for the rest of the process, to keep blocks below 1 GiB; whether there is one to tell."""
    mallopt = _of_malloc("mallopt")
    settings = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: 1 << 30, _TOP_PAD: 1 << 26}
    return mallopt is not None and all(mallopt(parameter, value) for parameter, value in settings.items())


def give_back() -> None:
    """Returns to the system what is free now: once a model is dropped, say. What is kept from then on is kept anew."""
    trim = _of_malloc("malloc_trim")
    if trim is not None:
        trim(0)
