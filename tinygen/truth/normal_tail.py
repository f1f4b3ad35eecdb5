"""log Phi, the normal distribution function, and log of its increments, exact far into both tails.

Held by tests/truth/test_toy_truths.py, against SciPy.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.autodiff.primitive import primitive
from tinygen.tensor import Tensor

_LOG_ROOT = 0.5 * math.log(2 * math.pi)
_TERMS = 100  # at x = -2 the fraction is exact to rounding


@primitive(x=lambda g, x, y: g * ops.exp(-0.5 * x**2 - _LOG_ROOT - y), elementwise=True)
def log_normal_cdf(x: np.ndarray) -> np.ndarray:
    """log Phi(x): above -2 by erf, below by the continued fraction of Mills' ratio (Abramowitz and Stegun 26.2.14)."""
    upper = np.log(0.5 + 0.5 * np.asarray(ops.erf(np.maximum(x, -2.0) / math.sqrt(2))))
    t = -x[x < -2.0]
    fraction = t
    for k in range(_TERMS, 0, -1):
        fraction = t + k / fraction
    upper[x < -2.0] = -0.5 * t**2 - np.log(fraction) - _LOG_ROOT
    return upper


def log_normal_mass(v: Tensor, u: Tensor) -> Tensor:
    """log(Phi(u) - Phi(v)) for v < u, without cancellation: both are first moved to the lower tail."""
    right = u + v > 0
    high, low = ops.where(right, -v, u), ops.where(right, -u, v)
    top = log_normal_cdf(high)
    return top + ops.log1p(-ops.exp(log_normal_cdf(low) - top))
