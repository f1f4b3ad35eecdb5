"""Sigmoid, softplus, the normal distribution function and erf: the definitions, in plain NumPy.

    sigmoid(x) = 1 / (1 + exp(-x))      softplus(x) = log(1 + exp(x))

exp is only ever taken of -|x|, so nothing overflows; NaN stays NaN. Everything is computed in float64 and
rounded once; results keep the memory layout of x. Held by tests/kernels/test_elementwise.py: the symmetries
of the functions, SciPy's values, differences in float64.
"""

import math
from typing import Any

import numpy as np

Array = np.ndarray

_erfc = np.frompyfunc(math.erfc, 1, 1)  # NumPy has none of its own
_erf = np.frompyfunc(math.erf, 1, 1)


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


def _normal_cdf(x: Array) -> Array:
    return 0.5 * np.asarray(_erfc(-x / math.sqrt(2)), np.float64)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), accurate in both tails."""
    return _like(_sigmoid(x.astype(np.float64)), x, x.dtype)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""
    wide = x.astype(np.float64)
    return _like(np.maximum(wide, 0) + np.log1p(np.exp(-np.abs(wide))), x, x.dtype)


def normal_cdf(x: Array) -> Array:
    """Phi(x), the normal distribution function; exact far to the left."""
    return _like(_normal_cdf(x.astype(np.float64)), x, x.dtype)


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return _like(_erf(x.astype(np.float64)), x, x.dtype)


def _like(value: Any, x: Array, dtype: np.dtype) -> Array:
    """`value` rounded to `dtype`, laid out in memory as x."""
    y = np.empty_like(x, dtype)
    y[...] = value
    return y
