"""Division down to an integer, and what it leaves: the NumPy definitions.

Held by tests/kernels/test_floor_division.py.
"""

from typing import Any

from ..array_module import quiet

Array = Any


@quiet
def floor_divide(a: Array, b: Array) -> Array:
    """The largest integer not above a / b, an array and an array or a number."""
    return a // b


@quiet
def remainder(a: Array, b: Array) -> Array:
    """a - b floor(a / b): of the sign of b, a zero too."""
    return a % b
