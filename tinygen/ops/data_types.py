"""Dtypes, what is known of them, and constants, by the names of the Python array API.

Held by tests/ops/test_numpy.py.
"""

import math
from typing import Any

import numpy as np

from tinygen.tensor import DTypeLike, Tensor

int8, int16, int32, int64 = (np.dtype(name) for name in ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = (np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64"))
float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
bool = np.dtype(np.bool_)

e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None


def _dtype(x: Any) -> np.dtype:
    return x.dtype if isinstance(x, Tensor | np.ndarray) else np.dtype(x)


def finfo(type: Any) -> np.finfo:
    """Limits of a floating dtype, or of a tensor's: `eps`, `max`, `smallest_normal`, ..."""
    return np.finfo(_dtype(type))


def iinfo(type: Any) -> np.iinfo:
    """Limits of an integer dtype, or of a tensor's: `min` and `max`."""
    return np.iinfo(_dtype(type))


def isdtype(dtype: DTypeLike, kind: Any) -> Any:
    """Whether `dtype` is of a kind: "bool", "integral", "real floating", "numeric", ..., a dtype, or one of several."""
    return np.isdtype(_dtype(dtype), kind)


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype in which NumPy computes with these; Python numbers follow the arrays beside them."""
    return np.result_type(*(a.dtype if isinstance(a, Tensor) else a for a in arrays_and_dtypes))


def can_cast(from_: Any, to: DTypeLike) -> Any:
    """Whether every value of one dtype has a place in the other."""
    return np.can_cast(_dtype(from_), to)
