"""The logarithm of the gamma function and its derivatives on the CPU: the definition's formulas, entry by entry.

float32 is computed in float64, as there, and rounded once: no branch depends on an entry, so that the compiler makes
vectors of them; the logarithm is written out, since a call of C's is none. float64 is the definition.
Held by tests/ops/test_special.py and tests/kernels/test_float32.py.
"""

import math
from functools import cache
from typing import Any

import numpy as np

from ..array_module import laid_out_like
from ..definitions import gamma as definition
from ..definitions.gamma import BERNOULLI, LARGE
from .compiled import njit
from .few import are_few, few
from .launch import floats, integer, launch, task
from .simd import FASTMATH
from .threads import thread_count

Array = np.ndarray
_FLOAT = np.dtype(np.float32)
_SERIAL = 1 << 12  # elements worth a thread's waking

_LGAMMA, _DIGAMMA, _TRIGAMMA = 0, 1, 2  # how often log Gamma is differentiated
_SERIES = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1))[::-1]
_SLOPES = tuple(b / (2 * k) for k, b in enumerate(BERNOULLI, 1))[::-1]
_HALF_LOG_TURN, _LOG_TWO = 0.5 * math.log(2 * math.pi), math.log(2)
_FRACTION, _ONE_BITS = (1 << 52) - 1, 0x3FF << 52
_ARTANH = tuple(1 / k for k in range(21, 0, -2))  # artanh(s) = s (1 + s^2 / 3 + ...), s <= .172: to 1e-18


@njit(fastmath=FASTMATH, inline=True)
def _polynomial(u, coefficients):
    """By Horner's rule, the highest first."""
    p = 0.0
    for c in coefficients:
        p = p * u + c
    return p


@njit(fastmath=FASTMATH, inline=True)
def _log(x):
    """log(x) of normal x > 0: of 2^e m it is e log 2 + 2 artanh((m - 1) / (m + 1)), m from sqrt(1/2) to sqrt(2)."""
    bits = np.float64(x).view(np.int64)
    e = np.float64((bits >> 52) - 0x3FF)
    m = np.int64((bits & _FRACTION) | _ONE_BITS).view(np.float64)
    above = m > math.sqrt(2)
    m, e = 0.5 * m if above else m, e + 1 if above else e
    s = (m - 1) / (m + 1)
    return e * _LOG_TWO + 2 * s * _polynomial(s * s, _ARTANH)


@njit(fastmath=FASTMATH, inline=True)
def _lgamma(x):
    start, product = x, 1.0
    for _ in range(LARGE):
        small = x < LARGE
        product, x = product * x if small else product, x + 1 if small else x
    r = 1 / x
    y = (x - 0.5) * _log(x) - x + _HALF_LOG_TURN + r * _polynomial(r * r, _SERIES) - _log(product)
    y = y if start > 0 else np.inf
    y = y if start < np.inf else start
    return y if start >= 0 else np.nan


@njit(fastmath=FASTMATH, inline=True)
def _digamma(x):
    """The sum of 1 / (x + i) is kept as one fraction: a division in place of ten."""
    start, above, below = x, 0.0, 1.0
    for _ in range(LARGE):
        small = x < LARGE
        above, below = above * x + below if small else above, below * x if small else below
        x = x + 1 if small else x
    r = 1 / x
    u = r * r
    y = _log(x) - 0.5 * r - u * _polynomial(u, _SLOPES) - above / below
    y = y if start < np.inf else start
    return y if start >= 0 else np.nan


@njit(fastmath=FASTMATH, inline=True)
def _power(r, n):
    p = r
    for _ in range(n - 1):
        p *= r
    return p


@njit(fastmath=FASTMATH, inline=True)
def _polygamma(x, n):
    start, s, total, factor = x, n + 1, 0.0, 1.0
    for _ in range(LARGE + n):
        small = x < LARGE + n
        total, x = total + _power(1 / x, s) if small else total, x + 1 if small else x
    r = 1 / x
    p = _power(r, n)
    total += p / n + 0.5 * p * r
    p *= r * r
    rising = 0.5 * s
    for k in range(1, len(BERNOULLI) + 1):
        total += BERNOULLI[k - 1] * rising * p
        rising *= (s + 2.0 * k - 1) * (s + 2 * k) / ((2 * k + 1) * (2 * k + 2))
        p *= r * r
    for i in range(1, n + 1):
        factor *= -i
    return -factor * total if start >= 0 else np.nan


@task
def _map(block, part, parts):
    """Arguments: x, y; the order. Polygamma of order 1 has a loop of its own, which becomes vectors."""
    order, size = integer(block, 2), floats(block, 0).size
    start, stop = size * part // parts, size * (part + 1) // parts
    x, y = floats(block, 0)[start:stop], floats(block, 1)[start:stop]  # indices from 0 on: no look at negative ones
    if order == _LGAMMA:
        for i in range(x.size):
            y[i] = np.float32(_lgamma(np.float64(x[i])))
    elif order == _DIGAMMA:
        for i in range(x.size):
            y[i] = np.float32(_digamma(np.float64(x[i])))
    elif order == _TRIGAMMA:
        for i in range(x.size):
            y[i] = np.float32(_polygamma(np.float64(x[i]), 1))
    else:
        for i in range(x.size):
            y[i] = np.float32(_polygamma(np.float64(x[i]), order - 1))


@cache
def _few(order: int) -> Any:
    return few(_map, "f", order)


def _of(order: int, x: Array) -> Array:
    if are_few(x):
        return _few(order).run(x)  # type: ignore[no-any-return]
    y = np.empty_like(x, subok=False)
    launch(_map, thread_count(x.size, _SERIAL), laid_out_like(x, y), y, order)
    return y


def lgamma(x: Array) -> Array:
    """log Gamma(x), laid out in memory as x."""
    return _of(_LGAMMA, x) if x.dtype == _FLOAT else definition.lgamma(x)


def digamma(x: Array) -> Array:
    """psi(x), laid out in memory as x."""
    return _of(_DIGAMMA, x) if x.dtype == _FLOAT else definition.digamma(x)


def polygamma(x: Array, n: int) -> Array:
    """The derivative of order n of psi(x), laid out in memory as x."""
    return _of(n + 1, x) if x.dtype == _FLOAT else definition.polygamma(x, n)
