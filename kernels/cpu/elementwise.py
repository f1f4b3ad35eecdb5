"""Sigmoid, softplus, the normal distribution function and erf on the CPU: one sweep over x, in SIMD vectors.

float32 is computed by hand: exp is simd.vexp; the normal tail is exp(-a^2/2) times Mills' ratio, a polynomial
in 1/(1 + 0.35 a) (relative error 4e-8); log(1 + e) is 2 artanh(e/(2 + e)) by a polynomial (8e-9); erf is x and x times
a polynomial in x^2 up to 1 (4e-11), and 1 less twice the normal tail at x sqrt 2 above. float64 is the definition,
except erf, which is the C library's. Held to the definitions, lane tails and layouts included, by
tests/kernels/test_elementwise.py.
"""

import math

import numpy as np

from ..array_module import laid_out_like
from ..definitions import elementwise as definition
from .compiled import njit
from .few import are_few, few
from .launch import doubles, floats, launch, task
from .packing import load_vector, store_vector
from .simd import (
    FASTMATH,
    HALF,
    LANES,
    ONE,
    coefficients,
    vabs,
    vexp,
    vfill,
    vfma,
    vmax,
    vpolynomial,
    vsigmoid,
    vwhere_less,
    vzero,
)
from .threads import thread_count

Array = np.ndarray
_FLOAT = np.dtype(np.float32)

_SERIAL = 1 << 16  # elements worth a thread's waking

_MILLS_SCALE = np.float32(0.35)
_MILLS = coefficients(
    -0.0291258767,
    0.143872291,
    -0.255504668,
    0.158929408,
    -0.0229372196,
    0.105432972,
    0.119852431,
    0.13985908,
    0.139621571,
)
ARTANH = coefficients(0.140891984, 0.139802948, 0.200124562, 0.333331585, 1.0)  # artanh(s) / s, of s^2


_ERROR = coefficients(
    -9.67359e-6,
    1.12682537e-4,
    -8.4843964e-4,
    5.22105349e-3,
    -2.68654376e-2,
    0.112837829,
    -0.376126379,
    0.128379167,
)
_ROOT_TWO = np.float32(math.sqrt(2))


@njit(fastmath=FASTMATH)
def _tail(a, gauss):
    """Phi(-a) for a >= 0, given gauss = exp(-a^2/2)."""
    one = vfill(ONE)
    t = one / vfma(a, vfill(_MILLS_SCALE), one)
    return vpolynomial(_MILLS, t) * t * gauss


@njit(fastmath=FASTMATH)
def vnormal_cdf_by(x, gauss):
    """Phi(x), given gauss = exp(-x^2/2)."""
    tail = _tail(vabs(x), gauss)
    return vwhere_less(x, vzero(), tail, vfill(ONE) - tail)


@njit(fastmath=FASTMATH)
def _error_function(x):
    """erf(x) = 2 Phi(x sqrt 2) - 1; a NaN is not less than 1, and comes through the tail."""
    u, one, a = x * x, vfill(ONE), vabs(x)
    p = vpolynomial(_ERROR, u)
    tail = _tail(a * vfill(_ROOT_TWO), vexp(-u))
    far = one - (tail + tail)
    return vwhere_less(a, one, vfma(x, p, x), vwhere_less(x, vzero(), -far, far))


@njit(fastmath=FASTMATH)
def vsoftplus(x):
    """max(x, 0) + log(1 + exp(-|x|)); a NaN comes through vmax's second argument and through exp."""
    e = vexp(-vabs(x))
    s = e / (e + vfill(np.float32(2)))
    u = s * s
    p = vpolynomial(ARTANH, u)
    return vfma(s + s, p, vmax(vzero(), x))


@njit(fastmath=FASTMATH)
def _normal_cdf_alone(x):
    return vnormal_cdf_by(x, vexp(x * x * vfill(-HALF)))


value = vsigmoid  # what a variant replaces


@task
def _map(block, part, parts):
    """Arguments: x, y."""
    x, y = floats(block, 0), floats(block, 1)
    stop = x.size * (part + 1) // parts
    for i in range(x.size * part // parts, stop, LANES):
        store_vector(y, i, stop - i, value(load_vector(x, i, stop - i, 0)))


@task
def _erf_doubles(block, part, parts):
    x, y = doubles(block, 0), doubles(block, 1)
    for i in range(x.size * part // parts, x.size * (part + 1) // parts):
        y[i] = math.erf(x[i])


_TASKS = (
    _map,
    _map.variant("_map_softplus", value=vsoftplus),
    _map.variant("_map_normal_cdf", value=_normal_cdf_alone),
    _map.variant("_map_erf", value=_error_function),
)
_SIGMOID, _SOFTPLUS, _NORMAL_CDF, _ERF = range(len(_TASKS))
_FEW = [few(work, "f") for work in _TASKS]


def _on_many(kind: int, x: Array) -> Array:
    y = np.empty_like(x, subok=False)
    launch(_TASKS[kind], thread_count(x.size, _SERIAL), laid_out_like(x, y), y)
    return y


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), laid out in memory as x."""
    if x.dtype != _FLOAT:
        return definition.sigmoid(x)
    return _FEW[_SIGMOID].run(x) if are_few(x) else _on_many(_SIGMOID, x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), laid out in memory as x."""
    if x.dtype != _FLOAT:
        return definition.softplus(x)
    return _FEW[_SOFTPLUS].run(x) if are_few(x) else _on_many(_SOFTPLUS, x)


def normal_cdf(x: Array) -> Array:
    """Phi(x), the normal distribution function, laid out in memory as x."""
    if x.dtype != _FLOAT:
        return definition.normal_cdf(x)
    return _FEW[_NORMAL_CDF].run(x) if are_few(x) else _on_many(_NORMAL_CDF, x)


def erf(x: Array) -> Array:
    """The error function, laid out in memory as x."""
    if x.dtype == _FLOAT:
        return _FEW[_ERF].run(x) if are_few(x) else _on_many(_ERF, x)
    y = np.empty_like(x, subok=False)
    launch(_erf_doubles, thread_count(x.size, _SERIAL), laid_out_like(x, y), y)
    return y
