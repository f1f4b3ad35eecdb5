"""What the exercises share: inputs, and the pairs (what, found, expected by the definition) that they give."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

Results = Iterator[tuple[str, Any, Any]]


_dtype: list[Any] = [np.float32]


@contextmanager
def inputs_of(dtype: Any) -> Iterator[None]:
    """Within the block `normals` are of this dtype."""
    _dtype.append(dtype)
    try:
        yield
    finally:
        _dtype.pop()


def normals(*shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(_dtype[-1]) for shape in shapes]


def both(name: str, kernels: Any, definition: Any, *args: Any) -> Results:
    expected = getattr(definition, name)(*args)
    found = getattr(kernels, name)(*args)
    pairs = zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]
    yield from ((name, *pair) for pair in pairs)
