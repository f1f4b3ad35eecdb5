"""Trigonometric and hyperbolic functions of SIMD vectors, in float32, for fused chains; as functions.py has the others.

Angles lose their quarter turns, in three parts, and have polynomials in what is left; those that are too large for it
go to the C library, lane by lane. The inverses are polynomials on [0, 1] and [0, 1/2], and what symmetry makes of
them. sinh and cosh are made of e^x / 2, which overflows where they do.
Held to float64, on a grid over all of float32, by tests/kernels/test_functions.py.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from . import simd
from .compiled import njit
from .elementwise import ARTANH
from .functions import AS_WRITTEN, vequal, vfloor, vless, vlog, vwhere
from .launch import variant
from .simd import (
    FLOATS,
    HALF,
    LANES,
    ONE,
    SUFFIX,
    coefficients,
    intrinsic,
    llvm_call,
    unary,
    vabs,
    vector,
    vfill,
    vfma,
    vfma_once,
    vmax,
    vmin,
    vpolynomial,
    vround,
    vscaled,
    vsqrt,
    vwhere_less,
    vzero,
)


@intrinsic
def vcopysign(typing: Any, x: Any, y: Any) -> Any:
    """|x| with the sign of y."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return llvm_call(builder, f"llvm.copysign.{SUFFIX}", FLOATS, args)

    return (vector(x, y), build) if x == y == vector else None


@intrinsic
def _some_less(typing: Any, x: Any, y: Any) -> Any:
    """Whether x < y in some lane."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(builder.fcmp_ordered("<", *args), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return (types.boolean(x, y), build) if x == y == vector else None


# ---- angles

# sin r = r + r^3 p(r^2), cos r = 1 - r^2 / 2 + r^4 p(r^2) up to pi / 4: p interpolates at the Chebyshev nodes, relative
# errors 1.3e-8 and 1e-9. A quarter turn in three parts: the product of the first and fewer than 2^16 turns is
# subtracted from x without rounding, and each of the others with one.
_SINE = coefficients(-1.9582831e-4, 8.332725e-3, -0.16666664)
_COSINE = coefficients(2.4542871e-5, -1.3888279e-3, 4.1666664e-2)
_QUARTERS, _FAR = np.float32(2 / np.pi), np.float32(2**16)
_QUARTER, _QUARTER_LOW, _QUARTER_LEAST = (np.float32(part) for part in (1.5707964, -4.371139e-8, -1.7151245e-15))
_HALF_TURN, _HALF_TURN_LOW = np.float32(2 * _QUARTER), np.float32(2 * _QUARTER_LOW)
_ZERO, _TWO = np.float32(0), np.float32(2)

_library_sin, _library_cos = unary("sin"), unary("cos")


@njit(fastmath=AS_WRITTEN)
def _reduced(x, n):
    """x less n quarter turns."""
    r = vfma_once(n, vfill(-_QUARTER), x)
    return vfma_once(n, vfill(-_QUARTER_LEAST), vfma_once(n, vfill(-_QUARTER_LOW), r))


@njit(fastmath=AS_WRITTEN)
def _sine(r):
    u = r * r
    return vfma(vpolynomial(_SINE, u) * u, r, r)


@njit(fastmath=AS_WRITTEN)
def _cosine(r):
    u = r * r
    return vfma(vpolynomial(_COSINE, u) * u, u, vfma(u, vfill(-HALF), vfill(ONE)))


@njit(fastmath=AS_WRITTEN)
def _odd(n):
    """1 where the integer n is odd, else 0."""
    return vfma(vfloor(n * vfill(HALF)), vfill(-_TWO), n)


@njit(fastmath=AS_WRITTEN)
def _after(x, quarters):
    """sin(x + quarters pi / 2)."""
    n = vround(x * vfill(_QUARTERS))
    r, n = _reduced(x, n), n + vfill(quarters)
    y = vwhere(_odd(n), _cosine(r), _sine(r))
    return vwhere(_odd(vfloor(n * vfill(HALF))), -y, y)


@njit(fastmath=AS_WRITTEN)
def vsin(x):
    """The sine of x radians."""
    if _some_less(vfill(_FAR), vabs(x)):
        return _library_sin(x)
    return _after(vabs(x), _ZERO) * vcopysign(vfill(ONE), x)


@njit(fastmath=AS_WRITTEN)
def vcos(x):
    """The cosine of x radians."""
    if _some_less(vfill(_FAR), vabs(x)):
        return _library_cos(x)
    return _after(x, ONE)


@njit(fastmath=AS_WRITTEN)
def vtan(x):
    """The tangent of x radians."""
    if _some_less(vfill(_FAR), vabs(x)):
        return _library_sin(x) / _library_cos(x)
    a = vabs(x)
    n = vround(a * vfill(_QUARTERS))
    r = _reduced(a, n)
    s, c, odd = _sine(r), _cosine(r), _odd(n)
    return vwhere(odd, -c, s) / vwhere(odd, s, c) * vcopysign(vfill(ONE), x)


# ---- their inverses

# atan t = t + t^3 p(t^2) up to 1, asin t likewise up to 1/2: relative errors 2.5e-8 and 3e-9.
_ARCTANGENT = coefficients(
    *(-0.0023869972, 0.013507771, -0.03587154, 0.06250169, -0.0865688, 0.110337645, -0.14278568, 0.1999974),
    -0.3333333,
)
_ARCSINE = coefficients(0.033690847, 0.017149238, 0.031100662, 0.044599403, 0.07500094, 0.16666666)


@njit(fastmath=AS_WRITTEN)
def _quarter_less(r):
    """pi / 2 - r."""
    return vfill(_QUARTER) - (r - vfill(_QUARTER_LOW))


@njit(fastmath=AS_WRITTEN)
def _half_turn_less(r):
    """pi - r."""
    return vfill(_HALF_TURN) - (r - vfill(_HALF_TURN_LOW))


@njit(fastmath=AS_WRITTEN)
def _angle(low, high):
    """The arc tangent of low / high, from 0 to 1."""
    t = low / high
    u = t * t
    return vfma(vpolynomial(_ARCTANGENT, u) * u, t, t)


@njit(fastmath=AS_WRITTEN)
def vatan(x):
    """The inverse tangent, in radians."""
    one, a = vfill(ONE), vabs(x)
    r = _angle(vmin(one, a), vmax(one, a))  # which let NaN through
    return vcopysign(vwhere_less(one, a, _quarter_less(r), r), x)


@njit(fastmath=AS_WRITTEN)
def vatan2(y, x):
    """The angle of the point (x, y), in radians."""
    one, a, b = vfill(ONE), vabs(y), vabs(x)
    alike = vequal(a, b)
    r = _angle(vwhere(alike, vless(vzero(), b), vmin(a, b)), vwhere(alike, one, vmax(a, b)))
    r = vwhere_less(b, a, _quarter_less(r), r)
    r = vwhere_less(vcopysign(one, x), vzero(), _half_turn_less(r), r)
    return vcopysign(vwhere(vequal(a, a), r, a), y)


@njit(fastmath=AS_WRITTEN)
def _arc(a):
    """The inverse sine up to 1/2; above, half the inverse cosine."""
    far = vless(vfill(HALF), a)
    u = vwhere(far, (vfill(ONE) - a) * vfill(HALF), a * a)
    s = vwhere(far, vsqrt(u), a)
    return vfma(vpolynomial(_ARCSINE, u) * u, s, s)


@njit(fastmath=AS_WRITTEN)
def vasin(x):
    """The inverse sine, in radians."""
    a = vabs(x)
    r = _arc(a)
    return vcopysign(vwhere_less(vfill(HALF), a, _quarter_less(r + r), r), x)


@njit(fastmath=AS_WRITTEN)
def vacos(x):
    """The inverse cosine, in radians."""
    a = vabs(x)
    r = _arc(a)
    far = vwhere_less(x, vzero(), _half_turn_less(r + r), r + r)
    return vwhere_less(vfill(HALF), a, far, _quarter_less(vcopysign(r, x)))


# ---- hyperbolic functions

# sinh x = x + x^3 p(x^2) up to 1: relative error 4e-9.
_HYPERBOLIC = coefficients(2.8062802e-6, 1.9838102e-4, 8.333339e-3, 0.16666667)
_FOURTH, _THIRD, _OVERFLOW = np.float32(0.25), np.float32(1 / 3), np.float32(90)


@njit(fastmath=AS_WRITTEN)
def _half(p, n):
    return vscaled(p, n - vfill(ONE))


_half_exp = njit(fastmath=AS_WRITTEN)(variant(simd.vexp.py_func, "_half_exp", vscaled=_half, _HIGHEST=_OVERFLOW))


@njit(fastmath=AS_WRITTEN)
def vsinh(x):
    """The hyperbolic sine."""
    u, a = x * x, vabs(x)
    half = _half_exp(a)
    far = half - vfill(_FOURTH) / half
    near = vfma(vpolynomial(_HYPERBOLIC, u) * u, a, a)
    return vcopysign(vwhere_less(a, vfill(ONE), near, far), x)


@njit(fastmath=AS_WRITTEN)
def vcosh(x):
    """The hyperbolic cosine."""
    half = _half_exp(vabs(x))
    return half + vfill(_FOURTH) / half


@njit(fastmath=AS_WRITTEN)
def vatanh(x):
    """The inverse hyperbolic tangent."""
    one, a = vfill(ONE), vabs(x)
    near = a * vpolynomial(ARTANH, a * a)
    far = vfill(HALF) * vlog((one + a) / (one - a))
    return vcopysign(vwhere_less(vfill(_THIRD), a, far, near), x)
