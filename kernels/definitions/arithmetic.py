"""Sums of two arrays, which every residual connection and every gradient that arrives twice takes."""

from typing import Any

Array = Any

LARGE = 1 << 17  # elements from which on it pays to call these; fewer are added sooner than a kernel is found


def add(a: Array, b: Array) -> Array:
    """a + b, arrays of one shape and dtype."""
    return a + b


def add_to(total: Array, b: Array) -> Array:
    """total + b, written into `total`, which is returned."""
    total += b
    return total
