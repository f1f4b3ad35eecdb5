"""Elementwise operations: each a forward on arrays beside its vjp. Shapes broadcast; the engine undoes it.

Conventions at singular points, each held by tests/ops/test_singular.py:
abs'(0) = 0 · relu'(0) = 0 · a tie of maximum and minimum splits the gradient in halves · clip passes the gradient
on its edges · x**0 has gradient 0 in x, 0**b has gradient 0 in b >= 0 · floor, ceil, round, trunc
and sign have gradient 0 · what `where` does not take has gradient 0, of every order, whatever poles and NaN lie there.
"""

import math
import operator
from typing import Any, TypeVar

import numpy as np

from tinygen import kernels
from tinygen.autodiff.fusion import fused_operation
from tinygen.autodiff.primitive import either, operation
from tinygen.autodiff.room import room
from tinygen.autodiff.tape import mode
from tinygen.kernels.array_module import quiet, single, xp
from tinygen.ops import formulas
from tinygen.ops.comparison import isinf, logical_and
from tinygen.tensor import Tensor, float32

Array = TypeVar("Array", bound=Any)
_NUMBERS = frozenset([float, int])


def as_float(x: Array) -> Array:
    """An array or a tensor: integers and booleans enter functions of real numbers as float32. (`gradcheck` alone comes
    with complex ones.)"""
    return x if x.dtype is float32 or x.dtype.kind in "fcV" else x.astype(float32)  # type: ignore[no-any-return]


def _zero(g: Tensor) -> Tensor:
    return where(False, g, 0.0) if mode.tracer else Tensor(xp(g._data).zeros_like(g._data))


# -- arithmetic ----------------------------------------------------------------------------------------------


@operation(a=lambda g: g, b=lambda g: g, elementwise=True, scalar="a + b")
def add(a: Any, b: Any) -> Any:
    """a + b."""
    return a + b


@operation(a=lambda g: g, b=lambda g: -g, elementwise=True, scalar="a - b")
def subtract(a: Any, b: Any) -> Any:
    """a - b."""
    return a - b


@operation(a=lambda g, b: g * b, b=lambda g, a: g * a, elementwise=True, scalar="a * b")
@quiet
def multiply(a: Any, b: Any) -> Any:
    """a b."""
    return a * b


@operation(a=lambda g, b: g / b, b=lambda g, y, b: -g * y / b, elementwise=True, scalar="a / b")
@quiet
def divide(a: Any, b: Any) -> Any:
    """a / b; integers are divided as float32."""
    if all(np.result_type(v).kind not in "fc" for v in (a, b)):
        a = np.asarray(a, float32) if not hasattr(a, "dtype") else a.astype(float32)
        b = b if not hasattr(b, "dtype") else b.astype(float32)
    return a / b


@operation(x=lambda g: -g, elementwise=True, scalar="-x")
def negative(x: Any) -> Any:
    """-x."""
    return -x


@operation(x=lambda g: g, elementwise=True, scalar="x")
def positive(x: Any) -> Any:
    """+x, a copy."""
    return +x


def _power_base(g: Tensor, a: Tensor, b: Any) -> Tensor:
    if isinstance(b, Tensor):
        return g * b * power(a, where((a == 0) & (b == 0), 1.0, b - 1.0))
    return _zero(g) if b == 0 else g if b == 1 else g * (b * a) if b == 2 else g * (b * power(a, b - 1))


def _power_exponent(g: Tensor, y: Tensor, a: Any, b: Any) -> Tensor:
    if type(a) in _NUMBERS and a > 0:
        return g * (y * math.log(a))
    base = a if isinstance(a, Tensor) else Tensor(xp(y._data).asarray(a, dtype=y.dtype))
    return g * y * log(where((base == 0) & (b >= 0), 1.0, base))


@operation(a=_power_base, b=_power_exponent, elementwise=True, scalar=formulas.power)
@quiet
def power(a: Any, b: Any) -> Any:
    """a to the power b; a negative base with a fractional exponent gives NaN."""
    if type(b) not in _NUMBERS or -1 <= b <= 2 or not float(b).is_integer():
        return a**b
    return whole_power(a, int(b)) if type(a) is np.ndarray and a.dtype is float32 else a**b


def whole_power(a: Any, n: int) -> Any:
    """a^n for a whole n, for which NumPy takes up to three hundred times as long where entries of a are negative."""
    factors = n if n > 0 else -n
    if factors > 8:
        y = np.abs(a) ** n
        return np.copysign(y, a) if n % 2 else y
    return formulas.product([a] * factors, n < 0, operator.mul, lambda y: 1.0 / y)


def _are_many(a: Any) -> bool:
    """Whether a kernel pays where NumPy computes entry by entry."""
    return type(a) is np.ndarray and a.size >= 256


@operation(a=lambda g: _zero(g), b=lambda g: _zero(g), elementwise=True)
@quiet
def floor_divide(a: Any, b: Any) -> Any:
    """The largest integer not above a / b."""
    return kernels.floor_divide(a, b) if _are_many(a) else a // b  # type: ignore[attr-defined]


@operation(a=lambda g: g, b=lambda g, a, b: -g * floor_divide(a, b), elementwise=True)
@quiet
def remainder(a: Any, b: Any) -> Any:
    """a - b floor(a / b): of the sign of b."""
    return kernels.remainder(a, b) if _are_many(a) else a % b  # type: ignore[attr-defined]


@operation(x=lambda g, x: 2.0 * g * x, elementwise=True, scalar="x * x")
def square(x: Any) -> Any:
    """x^2."""
    return x * x


@operation(x=lambda g, y: -g * y * y, elementwise=True, scalar="1 / x")
@quiet
def reciprocal(x: Any) -> Any:
    """1 / x."""
    return 1.0 / as_float(x)


# -- exponential and logarithm -------------------------------------------------------------------------------


@operation(x=lambda g, y: g * y, elementwise=True, scalar="exp(x)")
@quiet
def exp(x: Any) -> Any:
    """e^x."""
    return xp(x).exp(as_float(x))


@operation(x=lambda g, y: g * (y * math.log(2)), elementwise=True, scalar="exp2(x)")
@quiet
def exp2(x: Any) -> Any:
    """2^x."""
    return xp(x).exp2(as_float(x))


@operation(x=lambda g, y: g * (y + 1.0), elementwise=True, scalar="expm1(x)")
@quiet
def expm1(x: Any) -> Any:
    """e^x - 1, accurate near 0."""
    return xp(x).expm1(as_float(x))


@operation(x=lambda g, x: g / x, elementwise=True, scalar="log(x)")
@quiet
def log(x: Any) -> Any:
    """The natural logarithm; log 0 = -inf, below 0 NaN."""
    return xp(x).log(as_float(x))


@operation(x=lambda g, x: g / (x + 1.0), elementwise=True, scalar="log1p(x)")
@quiet
def log1p(x: Any) -> Any:
    """log(1 + x), accurate near 0."""
    return xp(x).log1p(as_float(x))


@operation(x=lambda g, x: g / (x * math.log(2)), elementwise=True, scalar="log2(x)")
@quiet
def log2(x: Any) -> Any:
    """The logarithm to base 2."""
    return xp(x).log2(as_float(x))


@operation(x=lambda g, x: g / (x * math.log(10)), elementwise=True, scalar="log10(x)")
@quiet
def log10(x: Any) -> Any:
    """The logarithm to base 10."""
    return xp(x).log10(as_float(x))


def _logaddexp_vjp(g: Tensor, this: Tensor, y: Tensor) -> Tensor:
    return g * exp(this - where(isinf(y), 0.0, y))  # both -inf: gradient 0


@operation(
    a=lambda g, y, a: _logaddexp_vjp(g, a, y),
    b=lambda g, y, b: _logaddexp_vjp(g, b, y),
    elementwise=True,
    scalar="where(a > b, a, where(a == a, b, a)) + log1p(exp(-where(a == b, 0, abs(a - b))))",
)
@quiet
def logaddexp(a: Any, b: Any) -> Any:
    """log(e^a + e^b), without overflow."""
    module = xp(a) if hasattr(a, "dtype") else xp(b)
    if not _are_many(a):
        return module.logaddexp(a, b)
    apart = module.where(a == b, 0.0, module.abs(a - b))  # infinities too, where they are one
    return module.maximum(a, b) + module.log1p(module.exp(-apart)).astype(apart.dtype, copy=False)


@operation(x=lambda g, y: g / (2.0 * y), elementwise=True, scalar="sqrt(x)")
@quiet
def sqrt(x: Any) -> Any:
    """The square root; its gradient at 0 is infinite."""
    return xp(x).sqrt(as_float(x))


@operation(x=lambda g, y: g * (1.0 - y * y), elementwise=True, scalar="tanh(x)")
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return xp(x).tanh(as_float(x))


# -- pieces and steps ----------------------------------------------------------------------------------------


@operation(x=lambda g, x: g * sign(x), elementwise=True, scalar="abs(x)")
def abs(x: Any) -> Any:
    """|x|."""
    return xp(x).abs(x)


@operation(x=_zero, elementwise=True, scalar="where(x > 0, 1, where(x < 0, -1, x))")
def sign(x: Any) -> Any:
    """-1, 0 or 1."""
    return xp(x).sign(x)


@operation(x=_zero, elementwise=True, scalar="floor(x)")
def floor(x: Any) -> Any:
    """The largest integer not above x."""
    return xp(x).floor(x)


@operation(x=_zero, elementwise=True, scalar="ceil(x)")
def ceil(x: Any) -> Any:
    """The smallest integer not below x."""
    return xp(x).ceil(x)


@operation(x=_zero, elementwise=True, scalar="trunc(x)")
def trunc(x: Any) -> Any:
    """x without its fraction."""
    return xp(x).trunc(x)


@operation(x=_zero, elementwise=True, scalar="rint(x)")
def round(x: Any) -> Any:
    """The nearest integer; halves go to the even one."""
    return xp(x).rint(x) if x.dtype.kind == "f" else x.copy()


# The gradient of the larger (or smaller) of two: all to the one chosen, half to each at a tie.
_OF_A = either(lambda g, y, a, b: where(a == b, 0.5 * g, where(a == y, g, 0.0)))
_OF_B = either(lambda g, y, a, b: where(a == b, 0.5 * g, where(b == y, g, 0.0)))


@operation(a=_OF_A, b=_OF_B, elementwise=True, scalar="where(a > b, a, where(a == a, b, a))")
def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b; NaN wins."""
    return (xp(a) if hasattr(a, "dtype") else xp(b)).maximum(a, b)


@operation(a=_OF_A, b=_OF_B, elementwise=True, scalar="where(a < b, a, where(a == a, b, a))")
def minimum(a: Any, b: Any) -> Any:
    """The smaller of a and b; NaN wins."""
    return (xp(a) if hasattr(a, "dtype") else xp(b)).minimum(a, b)


def _dtype_of_choice(a: Any, b: Any) -> Any:
    """A number takes the dtype of the floating array beside it."""
    arrays = [v for v in (a, b) if hasattr(v, "dtype") and not isinstance(v, np.generic)]
    if len(arrays) == 1 and arrays[0].dtype.kind in "fV":
        return arrays[0].dtype
    dtype = np.result_type(a, b)
    return float32 if not arrays and dtype.kind == "f" else dtype


@operation(
    a=either(lambda g, condition: where(condition, g, 0.0)),
    b=either(lambda g, condition: where(condition, 0.0, g)),
    elementwise=True,
    chooses=True,
    scalar="where(condition, a, b)",
)
def where(condition: Any, a: Any, b: Any) -> Any:
    """a where `condition` holds, else b; the branch not taken gets gradient 0, whatever its value."""
    if type(a) is np.ndarray and a.dtype is float32 and (type(b) is float or getattr(b, "dtype", None) is float32):
        dtype = a.dtype  # nearly always
    else:
        dtype = _dtype_of_choice(a, b)
    if hasattr(condition, "dtype") and condition.dtype.kind == "b":
        if hasattr(a, "dtype") and a.dtype == dtype:
            return kernels.select(a, condition, b)  # type: ignore[attr-defined]
        if hasattr(b, "dtype") and b.dtype == dtype:
            return kernels.select(b, ~condition, a)  # type: ignore[attr-defined]
    module = xp(condition) if hasattr(condition, "dtype") else np
    return module.where(condition, a, b).astype(dtype, copy=False)


@operation(
    x=either(lambda g, condition, scale: scaled_where(g, condition, scale)),
    elementwise=True,
    chooses=True,
)
@quiet
def scaled_where(x: Any, condition: Any, scale: float) -> Any:
    """x times a number where `condition`, truth values of x's shape, holds, else 0."""
    y = kernels.select(x, condition, 0.0)  # type: ignore[attr-defined]
    y *= scale
    return y


def _inside(x: Tensor, min: Any, max: Any) -> Tensor:
    above = True if min is None else x >= min
    below = True if max is None else x <= max
    return logical_and(above, below)


_BEFORE_CLIP = 4096  # fewer entries NumPy's minimum and maximum limit before its clip, written in Python, begins


def _clip_gradient(g: Any, x: Any, min: Any, max: Any) -> Any:
    if min is None or max is None:
        inside = True if min is max else x <= max if min is None else x >= min
    else:
        inside = (x >= min) & (x <= max)
    return where.forward(inside, g, 0.0)


@operation(
    x=either(lambda g, x, min, max: where(_inside(x, min, max), g, 0.0), _clip_gradient),
    min=lambda g, x, min, max: where((x < min) if max is None else (x < min) & (min <= max), g, 0.0),
    max=lambda g, x, min, max: where((x if min is None else maximum(x, min)) > max, g, 0.0),
    elementwise=True,
    scalar=formulas.clip,
)
def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """x limited to [min, max]; a bound may be a number, a tensor or None. On its edges the gradient is x's;
    where the bounds cross, max wins."""
    if min is None and max is None:
        return x.copy()
    few = x.size < _BEFORE_CLIP and type(x) is np.ndarray and x.dtype is float32
    if few and type(min) in _NUMBERS and type(max) in _NUMBERS:
        return np.minimum(np.maximum(x, single(min)), single(max))
    return xp(x).clip(x, min, max)


@operation(a=lambda g, y, a: g * sign(a) * sign(y), b=lambda g: _zero(g), elementwise=True, scalar="copysign(a, b)")
def copysign(a: Any, b: Any) -> Any:
    """|a| with the sign of b."""
    return (xp(a) if hasattr(a, "dtype") else xp(b)).copysign(a, b)


# -- activations and special functions -----------------------------------------------------------------------


@operation(x=lambda g, x: g * (2.0 / math.sqrt(math.pi) * exp(-x * x)), elementwise=True)
def erf(x: Any) -> Any:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return kernels.erf(as_float(x))  # type: ignore[attr-defined]


@operation(
    x=lambda g, x: g * (exp(x * x * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))),
    elementwise=True,
    scalar="normal_cdf(x)",
)
def normal_cdf(x: Any) -> Any:
    """Phi(x), the normal distribution function; accurate far to the left."""
    return kernels.normal_cdf(as_float(x))  # type: ignore[attr-defined]


@operation(x=lambda g, y: g * (y * (1.0 - y)), elementwise=True, scalar="sigmoid(x)")
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x), without overflow."""
    return kernels.sigmoid(as_float(x))  # type: ignore[attr-defined]


@operation(x=lambda g, x: g * sigmoid(x), elementwise=True, scalar="softplus(x)")
def softplus(x: Any) -> Any:
    """log(1 + e^x), without overflow."""
    return kernels.softplus(as_float(x))  # type: ignore[attr-defined]


def relu_gradient(g: Any, y: Any) -> Any:
    return kernels.relu_backward(g, y, room(g))  # type: ignore[attr-defined]


@operation(
    x=either(lambda g, y: where(y > 0, g, 0.0), relu_gradient),
    elementwise=True,
    overwrites=True,
    scalar="where(x <= 0, 0, x)",
)
def relu(x: Any) -> Any:
    """max(x, 0)."""
    return kernels.relu(x)  # type: ignore[attr-defined]


def leaky_relu_gradient(g: Any, x: Any, negative_slope: float) -> Any:
    return kernels.leaky_relu_backward(g, x, negative_slope, room(g))  # type: ignore[attr-defined]


@operation(
    x=either(lambda g, x, negative_slope: where(x > 0, g, negative_slope * g), leaky_relu_gradient),
    elementwise=True,
    overwrites=True,
    scalar="where(x > 0, x, negative_slope * x)",
)
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x above 0, negative_slope x below; the slope at 0 is the negative one."""
    return kernels.leaky_relu(as_float(x), negative_slope)  # type: ignore[attr-defined]


def rectified(x: Tensor, negative_slope: float) -> Tensor:
    """What fused operations end with: x itself for a slope of 1, relu for 0, else leaky_relu."""
    if negative_slope == 1:
        return x
    return relu(x) if negative_slope == 0 else leaky_relu(x, negative_slope)


@operation(
    x=either(
        lambda g, x, alpha: where(x > 0, g, g * (alpha * exp(minimum(x, 0.0)))),
        lambda g, x, alpha: kernels.elu_backward(g, x, alpha),  # type: ignore[attr-defined]
    ),
    elementwise=True,
    scalar="where(x > 0, x, alpha * expm1(x))",
)
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x above 0, alpha (e^x - 1) below (Clevert et al. 2016)."""
    return kernels.elu(as_float(x), alpha)  # type: ignore[attr-defined]


@fused_operation()
def silu(x: Any) -> Any:
    """x sigmoid(x) (Elfwing et al. 2018)."""
    return x * sigmoid(x)


@fused_operation()
def gelu(x: Any) -> Any:
    """x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016); exact, by erf."""
    return x * normal_cdf(x)
