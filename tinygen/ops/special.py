"""The logarithm of the gamma function and its derivatives, of x > 0, in float64 inside whatever the dtype.

Held by tests/ops/test_special.py (against SciPy) and tests/ops/test_registry.py (gradients of orders 1 to 3).
"""

from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import operation
from tinygen.kernels.array_module import quiet
from tinygen.ops.elementwise import as_float


@operation(x=lambda g, x: g * digamma(x), elementwise=True)
@quiet
def lgamma(x: Any) -> Any:
    """log Gamma(x) of x > 0; inf at 0, NaN below."""
    return kernels.lgamma(as_float(x))  # type: ignore[attr-defined]


@operation(x=lambda g, x: g * polygamma(1, x), elementwise=True)
@quiet
def digamma(x: Any) -> Any:
    """psi(x), the derivative of log Gamma(x), of x > 0; -inf at 0, NaN below."""
    return kernels.digamma(as_float(x))  # type: ignore[attr-defined]


@operation(x=lambda g, n, x: g * polygamma(n + 1, x), elementwise=True)
@quiet
def polygamma(n: int, x: Any) -> Any:
    """The derivative of order n of psi(x), n >= 1 an integer, of x > 0; infinite at 0, NaN below.

    Raises:
        ValueError: n is no integer above 0.
    """
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"polygamma: the order n must be an integer above 0, found {n!r}; digamma is order 0")
    return kernels.polygamma(as_float(x), n)  # type: ignore[attr-defined]
