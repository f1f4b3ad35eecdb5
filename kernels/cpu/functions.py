"""Functions of SIMD vectors that fused chains are made of, in float32; truth values are 1 and 0.

log takes the exponent off and has a polynomial in what is left, to any base; exp2 is exp without the division by log 2;
log1p and expm1 have a polynomial of their own near 0, where the difference from 1 would lose digits; tanh is one, or
1 - 2 / (e^2x + 1). All are within a few units in the last place of NumPy's, at poles and for NaN too: held to it, on a
grid over all of float32, by tests/kernels/test_functions.py.
"""

from typing import Any

import numpy as np
from llvmlite import ir

from . import simd
from .compiled import njit
from .elementwise import ARTANH, vnormal_cdf_by
from .launch import variant
from .simd import (
    EXP_TAIL,
    FLOATS,
    HALF,
    INTS,
    LANES,
    ONE,
    coefficients,
    first_lanes,
    intrinsic,
    unary,
    vabs,
    vector,
    vfill,
    vfma,
    vmin,
    vpolynomial,
    vround,
    vscaled,
    vwhere_less,
    vzero,
)

# All that the compiler may round otherwise than written is a * b + c: reordered, the last doubling in vexp overflows
# for some x for which e^x does not, when something is subtracted from it.
AS_WRITTEN = {"contract"}

vexp = njit(fastmath=AS_WRITTEN)(variant(simd.vexp.py_func, "vexp_as_written"))
_LOG2, _LOWEST, _HIGHEST = (np.float32(x) for x in (np.log(2), -125, 128.25))


@njit(fastmath=AS_WRITTEN)
def vexp2(x):
    """2^x; 0 for x < -125."""
    y = vmin(vfill(_HIGHEST), x)
    n = vround(y)
    r = (y - n) * vfill(_LOG2)
    q = vpolynomial(EXP_TAIL, r)
    p = vfma(vfma(q, r, vfill(ONE)), r, vfill(ONE))
    return vwhere_less(x, vfill(_LOWEST), vzero(), vscaled(p, n))


vfloor, vceil, vtrunc = unary("floor"), unary("ceil"), unary("trunc")


def _comparison(symbol: str) -> Any:
    def function(typing: Any, x: Any, y: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            one, zero = (ir.Constant(FLOATS, [v] * LANES) for v in (1.0, 0.0))
            return builder.select(builder.fcmp_ordered(symbol, *args), one, zero)

        return (vector(x, y), build) if x == y == vector else None

    return intrinsic(function)


vless, vless_equal, vequal = _comparison("<"), _comparison("<="), _comparison("==")


@intrinsic
def vwhere(typing: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition is not 0, else b. What is loaded for it is held (`vheld`)."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(FLOATS, [0.0] * LANES)
        return builder.select(builder.fcmp_unordered("!=", args[0], zero), args[1], args[2])

    return (vector(condition, a, b), build) if condition == a == b == vector else None


@intrinsic
def vfirst(typing: Any, x: Any, count: Any) -> Any:
    """The first `count` lanes of x; the others are 0."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        mask = first_lanes(context, builder, sig.args[1], args[1])
        return builder.select(mask, args[0], ir.Constant(FLOATS, [0.0] * LANES))

    return (vector(x, count), build) if x == vector else None


_SQRT_HALF_BITS, _ONE_BITS = 0x3F3504F3, 0x3F800000


def _constant(bits: int) -> Any:
    return ir.Constant(INTS, [bits] * LANES)


@intrinsic
def _exponent(typing: Any, x: Any) -> Any:
    """The integer n with x / 2^n from sqrt(1/2) to sqrt(2), of normal x above 0."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.add(builder.bitcast(args[0], INTS), _constant(_ONE_BITS - _SQRT_HALF_BITS))
        return builder.sitofp(builder.sub(builder.ashr(bits, _constant(23)), _constant(127)), FLOATS)

    return (vector(x), build) if x == vector else None


@intrinsic
def _mantissa(typing: Any, x: Any) -> Any:
    """x / 2^n, from sqrt(1/2) to sqrt(2)."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.add(builder.bitcast(args[0], INTS), _constant(_ONE_BITS - _SQRT_HALF_BITS))
        rest = builder.and_(bits, _constant(0x7FFFFF))
        return builder.bitcast(builder.add(rest, _constant(_SQRT_HALF_BITS)), FLOATS)

    return (vector(x), build) if x == vector else None


# log(1 + f) = f - f^2 / 2 + f^3 p(f) for 1 + f from sqrt(1/2) to sqrt(2): p interpolates at the Chebyshev nodes,
# relative error 3e-9. tanh x = x + x^3 r(x^2) for |x| < .625 likewise, 2e-8.
_P = coefficients(
    *(0.0697161147, -0.114797338, 0.116854199, -0.124256873, 0.142490576, -0.166678023, 0.200007157, -0.24999997),
    0.333333312,
)
_R = coefficients(-0.00609671416, 0.020997179, -0.0538509096, 0.133327697, -0.333333289)
_LOG2_HIGH, _LOG2_LOW = np.float32(0.693359375), np.float32(np.log(2) - 0.693359375)
_LOG10_2_HIGH, _LOG10_2_LOW = np.float32(0.30078125), np.float32(np.log10(2) - 0.30078125)  # the first has seven bits
_LOG2_E, _LOG10_E, _ZERO = np.float32(np.log2(np.e)), np.float32(np.log10(np.e)), np.float32(0)
_LEAST_NORMAL, _GREATEST = np.float32(2.0**-126), np.float32(np.finfo(np.float32).max)
_UP, _UP_LOG2 = np.float32(2.0**23), np.float32(23)
_TWO, _NEAR, _NEAR_TANH = np.float32(2), np.float32(0.34), np.float32(0.625)
_NAN, _INFINITY = np.float32(np.nan), np.float32(np.inf)


@njit(fastmath=AS_WRITTEN)
def _logarithm(x, of_e, of_2_high, of_2_low):
    """log x, given what those of e and of 2 are, that of 2 in two parts; log 0 = -inf, below 0 NaN."""
    least = vfill(_LEAST_NORMAL)
    raised = vwhere_less(x, least, x * vfill(_UP), x)
    n = _exponent(raised) - vwhere_less(x, least, vfill(_UP_LOG2), vzero())
    f = _mantissa(raised) - vfill(ONE)
    p = vpolynomial(_P, f)
    tail = vfma(f * f, vfma(p, f, vfill(-HALF)), f)
    y = vfma(n, vfill(of_2_high), vfma(tail, vfill(of_e), n * vfill(of_2_low)))
    y = vwhere_less(vzero(), x, y, vfill(_NAN))  # below 0, and NaN
    y = vwhere(vequal(x, vzero()), vfill(-_INFINITY), y)
    return vwhere_less(vfill(_GREATEST), x, x, y)


@njit(fastmath=AS_WRITTEN)
def vlog(x):
    """The natural logarithm, to about one unit in the last place."""
    return _logarithm(x, ONE, _LOG2_HIGH, _LOG2_LOW)


@njit(fastmath=AS_WRITTEN)
def vlog2(x):
    """The logarithm to base 2, exact where it is an integer."""
    return _logarithm(x, _LOG2_E, ONE, _ZERO)


@njit(fastmath=AS_WRITTEN)
def vlog10(x):
    """The logarithm to base 10."""
    return _logarithm(x, _LOG10_E, _LOG10_2_HIGH, _LOG10_2_LOW)


@njit(fastmath=AS_WRITTEN)
def vlog1p(x):
    """log(1 + x): 2 artanh(x / (2 + x)) from -1/2 to 1."""
    s = x / (x + vfill(_TWO))
    u = s * s
    near = (s + s) * vpolynomial(ARTANH, u)
    outside = vwhere_less(vfill(-HALF), x, vless(vfill(ONE), x), vfill(ONE))
    return vwhere(outside, vlog(x + vfill(ONE)), near)


@njit(fastmath=AS_WRITTEN)
def vexpm1(x):
    """e^x - 1: x + x^2 q(x) within log(2) / 2 of 0; q is that of vexp."""
    q = vpolynomial(EXP_TAIL, x)
    return vwhere_less(vabs(x), vfill(_NEAR), vfma(q * x, x, x), vexp(x) - vfill(ONE))


@njit(fastmath=AS_WRITTEN)
def vtanh(x):
    """The hyperbolic tangent."""
    u, size = x * x, vabs(x)
    r = vpolynomial(_R, u)
    far = vfill(ONE) - vfill(_TWO) / (vexp(size + size) + vfill(ONE))
    return vwhere_less(size, vfill(_NEAR_TANH), vfma(r * u, x, x), vwhere_less(x, vzero(), -far, far))


@njit(fastmath=AS_WRITTEN)
def vnormal_cdf(x):
    """Phi(x), the normal distribution function."""
    return vnormal_cdf_by(x, vexp(x * x * vfill(-HALF)))
