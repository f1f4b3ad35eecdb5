"""Trigonometric and hyperbolic functions, as elementwise.py has the others; tanh is there.

hypot'(0, 0) = 0. Held by tests/ops/test_registry.py and tests/ops/test_singular.py.
"""

from typing import Any

from tinygen.autodiff.primitive import operation
from tinygen.kernels.array_module import quiet, xp
from tinygen.ops import formulas
from tinygen.ops.elementwise import as_float, sqrt, where
from tinygen.tensor import Tensor


@operation(x=lambda g, x: g * cos(x), elementwise=True, scalar="sin(x)")
@quiet
def sin(x: Any) -> Any:
    """The sine of x radians."""
    return xp(x).sin(as_float(x))


@operation(x=lambda g, x: -g * sin(x), elementwise=True, scalar="cos(x)")
@quiet
def cos(x: Any) -> Any:
    """The cosine of x radians."""
    return xp(x).cos(as_float(x))


@operation(x=lambda g, y: g * (1.0 + y * y), elementwise=True, scalar="tan(x)")
@quiet
def tan(x: Any) -> Any:
    """The tangent of x radians."""
    return xp(x).tan(as_float(x))


@operation(x=lambda g, x: g / sqrt((1.0 - x) * (1.0 + x)), elementwise=True, scalar="asin(x)")
@quiet
def asin(x: Any) -> Any:
    """The inverse sine, in radians."""
    return xp(x).arcsin(as_float(x))


@operation(x=lambda g, x: -g / sqrt((1.0 - x) * (1.0 + x)), elementwise=True, scalar="acos(x)")
@quiet
def acos(x: Any) -> Any:
    """The inverse cosine, in radians."""
    return xp(x).arccos(as_float(x))


@operation(x=lambda g, x: g / (1.0 + x * x), elementwise=True, scalar="atan(x)")
def atan(x: Any) -> Any:
    """The inverse tangent, in radians."""
    return xp(x).arctan(as_float(x))


@operation(
    a=lambda g, a, b: g * b / (a * a + b * b),
    b=lambda g, a, b: -g * a / (a * a + b * b),
    elementwise=True,
    scalar="atan2(a, b)",
)
def atan2(a: Any, b: Any) -> Any:
    """The angle of the point (b, a), in radians."""
    return (xp(a) if hasattr(a, "dtype") else xp(b)).arctan2(a, b)


@operation(x=lambda g, x: g * cosh(x), elementwise=True, scalar="sinh(x)")
@quiet
def sinh(x: Any) -> Any:
    """The hyperbolic sine."""
    return xp(x).sinh(as_float(x))


@operation(x=lambda g, x: g * sinh(x), elementwise=True, scalar="cosh(x)")
@quiet
def cosh(x: Any) -> Any:
    """The hyperbolic cosine."""
    return xp(x).cosh(as_float(x))


@operation(x=lambda g, x: g / sqrt(x * x + 1.0), elementwise=True)
def asinh(x: Any) -> Any:
    """The inverse hyperbolic sine."""
    return xp(x).arcsinh(as_float(x))


@operation(x=lambda g, x: g / (sqrt(x - 1.0) * sqrt(x + 1.0)), elementwise=True)
@quiet
def acosh(x: Any) -> Any:
    """The inverse hyperbolic cosine."""
    return xp(x).arccosh(as_float(x))


@operation(x=lambda g, x: g / ((1.0 - x) * (1.0 + x)), elementwise=True, scalar="atanh(x)")
@quiet
def atanh(x: Any) -> Any:
    """The inverse hyperbolic tangent."""
    return xp(x).arctanh(as_float(x))


def _hypot_vjp(g: Tensor, this: Any, y: Tensor) -> Tensor:
    return g * this / where(y == 0, 1.0, y)


@operation(
    a=lambda g, y, a: _hypot_vjp(g, a, y),
    b=lambda g, y, b: _hypot_vjp(g, b, y),
    elementwise=True,
    scalar=formulas.hypot,
)
@quiet
def hypot(a: Any, b: Any) -> Any:
    """sqrt(a^2 + b^2) without overflow."""
    return (xp(a) if hasattr(a, "dtype") else xp(b)).hypot(a, b)
