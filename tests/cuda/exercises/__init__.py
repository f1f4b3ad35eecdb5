"""Each module of kernels/cuda at awkward sizes: more than one block, a last block with threads to spare, a last warp
with lanes to spare, two chunks. `EXERCISES[module](kernels)` yields (what, found, expected by the definition).

One file a module, `of_<module>.py`, whose function is `exercise`.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from exercises.common import Results

EXERCISES: dict[str, Callable[[Any], Results]] = {
    path.stem.removeprefix("of_"): importlib.import_module(f"exercises.{path.stem}").exercise
    for path in sorted(Path(__file__).parent.glob("of_*.py"))
}
BIT_BY_BIT = {"codebook", "philox", "rows", "select"}


def agrees(module: str, found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal to the rounding of float32 on the scale of the result; random bits exactly."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if module in BIT_BY_BIT:
        return np.array_equal(found, expected)
    return bool(np.abs(found - expected).max(initial=0) <= 2e-6 * (1 + np.abs(expected).max(initial=0)))
