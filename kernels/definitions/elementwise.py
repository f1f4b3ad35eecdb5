"""SiLU, GELU, sigmoid, softplus and erf: the definitions, in plain NumPy.

    sigmoid(x) = 1 / (1 + exp(-x))      softplus(x) = log(1 + exp(x))
    silu(x) = x sigmoid(x)              gelu(x) = x Phi(x), Phi the normal distribution function

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


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return _like(_erf(x.astype(np.float64)), x, x.dtype)


def silu(x: Array) -> Array:
    """x sigmoid(x) (Hendrycks & Gimpel 2016, Elfwing et al. 2018)."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):  # -inf sigmoid(-inf) is NaN, as in PyTorch
        return _like(wide * _sigmoid(wide), x, x.dtype)


def silu_backward(g: Array, x: Array) -> Array:
    """Gradient of silu for the cotangent g: g s (1 + x (1 - s)), s = sigmoid(x)."""
    wide = x.astype(np.float64)
    s = _sigmoid(wide)
    with np.errstate(invalid="ignore"):
        return _like(g * (s * (1 + wide * (1 - s))), x, g.dtype)


def gelu(x: Array) -> Array:
    """x Phi(x) (Hendrycks & Gimpel 2016), not its tanh approximation."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return _like(wide * _normal_cdf(wide), x, x.dtype)


def gelu_backward(g: Array, x: Array) -> Array:
    """Gradient of gelu for the cotangent g: g (Phi(x) + x phi(x)), phi the normal density."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        density = np.exp(-0.5 * wide * wide) / math.sqrt(2 * math.pi)
        return _like(g * (_normal_cdf(wide) + wide * density), x, g.dtype)


def _like(value: Any, x: Array, dtype: np.dtype) -> Array:
    """`value` rounded to `dtype`, laid out in memory as x."""
    y = np.empty_like(x, dtype)
    y[...] = value
    return y
