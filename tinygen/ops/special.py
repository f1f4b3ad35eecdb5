"""The logarithm of the gamma function and its derivatives, of x > 0, in float64 inside whatever the dtype.

Below a threshold the argument is raised by the recurrence Gamma(x + 1) = x Gamma(x); above it the asymptotic series
with Bernoulli's numbers is exact to rounding (Abramowitz and Stegun 1964, 6.1.40, 6.3.18 and 6.4.11).
Held by tests/ops/test_special.py (against SciPy) and tests/ops/test_registry.py (gradients of orders 1 to 3).
"""

import math
from typing import Any

import numpy as np

from tinygen.autodiff.primitive import operation
from tinygen.kernels.array_module import quiet, xp
from tinygen.ops.elementwise import as_float

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
_LARGE = 10  # the series' first term left out is below 1e-17 there


def _wide(x: Any) -> tuple[Any, Any, Any]:
    """The array module, x in float64 with NaN below 0, and the dtype of the result."""
    x = as_float(x)
    module = xp(x)
    return module, module.where(x < 0, np.nan, x.astype(np.float64)), x.dtype


@operation(x=lambda g, x: g * digamma(x), elementwise=True)
@quiet
def lgamma(x: Any) -> Any:
    """log Gamma(x) of x > 0; inf at 0, NaN below."""
    module, x, dtype = _wide(x)
    product = module.ones_like(x)
    for _ in range(_LARGE):
        small = x < _LARGE
        product = module.where(small, product * x, product)
        x = x + small
    series = sum(b / (2 * k * (2 * k - 1)) * x ** (1 - 2 * k) for k, b in enumerate(_BERNOULLI, 1))
    y = (x - 0.5) * module.log(x) - x + 0.5 * math.log(2 * math.pi) + series
    return module.where(module.isposinf(x), x, y - module.log(product)).astype(dtype)


@operation(x=lambda g, x: g * polygamma(1, x), elementwise=True)
@quiet
def digamma(x: Any) -> Any:
    """psi(x), the derivative of log Gamma(x), of x > 0; -inf at 0, NaN below."""
    module, x, dtype = _wide(x)
    lower = module.zeros_like(x)
    for _ in range(_LARGE):
        small = x < _LARGE
        lower = module.where(small, lower + 1 / x, lower)
        x = x + small
    series = sum(b / (2 * k) * x ** (-2 * k) for k, b in enumerate(_BERNOULLI, 1))
    return (module.log(x) - 0.5 / x - series - lower).astype(dtype)


@operation(x=lambda g, n, x: g * polygamma(n + 1, x), elementwise=True)
@quiet
def polygamma(n: int, x: Any) -> Any:
    """The derivative of order n of psi(x), n >= 1 an integer, of x > 0; infinite at 0, NaN below.

    It is (-1)^(n+1) n! times Hurwitz's zeta function at (n + 1, x), summed by Euler and Maclaurin's formula.

    Raises:
        ValueError: n is no integer above 0.
    """
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"polygamma: the order n must be an integer above 0, found {n!r}; digamma is order 0")
    module, x, dtype = _wide(x)
    s = n + 1
    total = module.zeros_like(x)
    for _ in range(_LARGE + n):
        small = x < _LARGE + n
        total = module.where(small, total + x**-s, total)
        x = x + small
    total = total + x ** (1 - s) / n + 0.5 * x**-s
    rising = float(s)  # s (s+1) ... (s + 2k - 2) / (2k)!
    for k, b in enumerate(_BERNOULLI, 1):
        rising = rising / ((2 * k - 1) * (2 * k)) if k > 1 else rising / 2
        total = total + b * rising * x ** (1 - s - 2 * k)
        rising *= (s + 2 * k - 1) * (s + 2 * k)
    return ((-1) ** (n + 1) * math.factorial(n) * total).astype(dtype)
