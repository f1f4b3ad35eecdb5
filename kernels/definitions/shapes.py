"""What a kernel in machine code has to be sure of: nothing checks an index there.

Held by tests/kernels/test_shapes.py.
"""

from typing import Any


def check_shape(kernel: str, name: str, array: Any, shape: tuple[int, ...]) -> None:
    """A ValueError unless the argument `name` of `kernel` has `shape`."""
    if array.shape != shape:
        raise ValueError(f"{kernel}: {name} must have shape {shape}, found {array.shape}")
