"""Dtypes, what is known of them, and constants, by the names of the Python array API; and bfloat16.

`tg.bfloat16`, of the package ml_dtypes, is loaded when first asked for. What operations make of it is said in
tinygen/autodiff/mixed_precision.py. Held by tests/ops/test_numpy.py and tests/autodiff/test_mixed_precision.py.
"""

import math
from typing import Any

import numpy as np

from tinygen.kernels.array_module import is_bfloat16
from tinygen.tensor import DTypeLike, Tensor, named

int8, int16, int32, int64 = (np.dtype(name) for name in ("int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = (np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64"))
float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
bool = np.dtype(np.bool_)

e, pi, inf, nan, newaxis = math.e, math.pi, math.inf, math.nan, None


def _dtype(x: Any) -> np.dtype:
    return x.dtype if hasattr(x, "shape") and not isinstance(x, type | np.dtype) else np.dtype(named(x))


def finfo(type: Any) -> Any:
    """Limits of a floating dtype, or of a tensor's: `eps`, `max`, `smallest_normal`, ..."""
    dtype = _dtype(type)
    if is_bfloat16(dtype):
        import ml_dtypes

        return ml_dtypes.finfo(dtype)
    return np.finfo(dtype)


def iinfo(type: Any) -> np.iinfo:
    """Limits of an integer dtype, or of a tensor's: `min` and `max`."""
    return np.iinfo(_dtype(type))


def isdtype(dtype: DTypeLike, kind: Any) -> Any:
    """Whether `dtype` is of a kind: "bool", "integral", "real floating", "numeric", ..., a dtype, or one of several."""
    dtype = _dtype(dtype)
    if is_bfloat16(dtype):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return any(k in ("real floating", "numeric", dtype) for k in kinds)
    return np.isdtype(dtype, kind)


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype in which NumPy computes with these; Python numbers, and integers beside bfloat16, follow the others."""
    values = [a.dtype if isinstance(a, Tensor) else named(a) for a in arrays_and_dtypes]
    found = [_dtype(v) for v in values if not isinstance(v, float | int)]
    if any(is_bfloat16(dtype) for dtype in found):
        wider = [dtype for dtype in found if dtype.kind in "fc"]
        return np.result_type(*wider) if wider else _dtype("bfloat16")
    return np.result_type(*values)


def can_cast(from_: Any, to: DTypeLike) -> Any:
    """Whether every value of one dtype has a place in the other."""
    return np.can_cast(_dtype(from_), _dtype(to))
