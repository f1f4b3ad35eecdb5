"""One array added to another in its place, which every gradient that arrives twice takes."""

from typing import Any

Array = Any

FEW = 1 << 16  # elements from which on a second thread pays for arithmetic, and a way past the caches may
LARGE = 1 << 17  # elements from which on a kernel pays for arithmetic; fewer are computed sooner than one is found


def add_to(total: Array, b: Array) -> Array:
    """total + b, written into `total`, which is returned."""
    total += b
    return total
