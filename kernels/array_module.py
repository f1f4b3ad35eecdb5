"""Which array module an array belongs to: the array in hand decides, never a global switch."""

import sys
from typing import Any

import numpy as np


def xp(array: Any) -> Any:
    """NumPy, or CuPy when `array` lives on a CUDA device."""
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    return np
