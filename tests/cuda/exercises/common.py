"""What the exercises share: inputs, and the pairs (what, found, expected by the definition) that they give."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Results = Iterator[tuple[str, Any, Any]]


def normals(*shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def both(name: str, kernels: Any, definition: Any, *args: Any) -> Results:
    expected = getattr(definition, name)(*args)
    found = getattr(kernels, name)(*args)
    pairs = zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]
    yield from ((name, *pair) for pair in pairs)
