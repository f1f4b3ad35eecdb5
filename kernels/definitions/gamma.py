"""The logarithm of the gamma function and its derivatives, of x > 0: the definitions, in plain NumPy.

Below a threshold the argument is raised by the recurrence Gamma(x + 1) = x Gamma(x); above it the asymptotic series
with Bernoulli's numbers is exact to rounding (Abramowitz and Stegun 1964, 6.1.40, 6.3.18 and 6.4.11). All in float64,
rounded once. Held by tests/ops/test_special.py, against SciPy.
"""

import math
from typing import Any

import numpy as np

from ..array_module import xp

Array = Any

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
LARGE = 10
"""The series' first term left out is below 1e-17 there."""


def _wide(x: Array) -> tuple[Any, Array]:
    """The array module, and x in float64 with NaN below 0."""
    module = xp(x)
    return module, module.where(x < 0, np.nan, x.astype(np.float64))


def lgamma(x: Array) -> Array:
    """log Gamma(x); inf at 0, NaN below."""
    dtype = x.dtype
    module, x = _wide(x)
    product = module.ones_like(x)
    for _ in range(LARGE):
        small = x < LARGE
        product = module.where(small, product * x, product)
        x = x + small
    series = sum(b / (2 * k * (2 * k - 1)) * x ** (1 - 2 * k) for k, b in enumerate(BERNOULLI, 1))
    y = (x - 0.5) * module.log(x) - x + 0.5 * math.log(2 * math.pi) + series
    return module.where(module.isposinf(x), x, y - module.log(product)).astype(dtype)


def digamma(x: Array) -> Array:
    """psi(x), the derivative of log Gamma(x); -inf at 0, NaN below."""
    dtype = x.dtype
    module, x = _wide(x)
    lower = module.zeros_like(x)
    for _ in range(LARGE):
        small = x < LARGE
        lower = module.where(small, lower + 1 / x, lower)
        x = x + small
    series = sum(b / (2 * k) * x ** (-2 * k) for k, b in enumerate(BERNOULLI, 1))
    return (module.log(x) - 0.5 / x - series - lower).astype(dtype)


def polygamma(x: Array, n: int) -> Array:
    """The derivative of order n >= 1 of psi(x); infinite at 0, NaN below.

    It is (-1)^(n+1) n! times Hurwitz's zeta function at (n + 1, x), summed by Euler and Maclaurin's formula.
    """
    dtype = x.dtype
    module, x = _wide(x)
    s = n + 1
    total = module.zeros_like(x)
    for _ in range(LARGE + n):
        small = x < LARGE + n
        total = module.where(small, total + x**-s, total)
        x = x + small
    total = total + x ** (1 - s) / n + 0.5 * x**-s
    rising = float(s)  # s (s+1) ... (s + 2k - 2) / (2k)!
    for k, b in enumerate(BERNOULLI, 1):
        rising = rising / ((2 * k - 1) * (2 * k)) if k > 1 else rising / 2
        total = total + b * rising * x ** (1 - s - 2 * k)
        rising *= (s + 2 * k - 1) * (s + 2 * k)
    return ((-1) ** (n + 1) * math.factorial(n) * total).astype(dtype)
