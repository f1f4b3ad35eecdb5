"""Freed memory is kept for the next array instead of going back to the system.

glibc's malloc returns large blocks at once, so every step would fault in the same pages anew, thousands of them. The
peak stays what it is. Nothing happens with another allocator.
Held by tests/training/test_memory.py, which counts the faults.
"""

import ctypes

# Parameters of mallopt, from glibc's malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


def keep_memory() -> bool:
    """Tells glibc's malloc, for the rest of the process, to keep blocks below 1 GiB; whether there is one to tell."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    settings = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: 1 << 30, _TOP_PAD: 1 << 26}
    return all(mallopt(parameter, value) for parameter, value in settings.items())
