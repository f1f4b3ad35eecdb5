"""Comparisons, logic and bits, entry by entry: results are booleans or integers, which carry no gradient."""

from typing import Any

import numpy as np

from tinygen.autodiff.primitive import Primitive, operation
from tinygen.kernels.array_module import xp

_TRUTH = np.dtype(np.bool_)
_MANY = 2048  # entries from which on a pass that makes truth values of numbers costs less than it saves


def _true(x: Any) -> Any:
    """Whether the many entries of x are not 0: NumPy's logic of numbers takes six times as long as this and its logic
    of truth values."""
    return x if getattr(x, "dtype", _TRUTH) is _TRUTH or x.size < _MANY else x != 0


def _predicate(name: str, doc: str, arity: int = 2, scalar: str | None = None) -> Primitive:
    def binary(a: Any, b: Any) -> Any:
        if name.startswith("logical_"):
            a, b = _true(a), _true(b)
        return getattr(xp(a) if hasattr(a, "dtype") else xp(b), name)(a, b)

    def unary(x: Any) -> Any:
        if name == "logical_not" and x.dtype is not _TRUTH and x.size >= _MANY:
            return x == 0
        return getattr(xp(x), name)(x)

    forward = binary if arity == 2 else unary
    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = doc
    return operation(elementwise=True, scalar=scalar)(forward)


equal: Primitive = _predicate("equal", "a == b, elementwise.", scalar="a == b")
not_equal: Primitive = _predicate("not_equal", "a != b, elementwise.", scalar="a != b")
less: Primitive = _predicate("less", "a < b, elementwise.", scalar="a < b")
less_equal: Primitive = _predicate("less_equal", "a <= b, elementwise.", scalar="a <= b")
greater: Primitive = _predicate("greater", "a > b, elementwise.", scalar="a > b")
greater_equal: Primitive = _predicate("greater_equal", "a >= b, elementwise.", scalar="a >= b")
logical_and: Primitive = _predicate("logical_and", "a and b, elementwise.", scalar="where(a, where(b, 1, 0), 0)")
logical_or: Primitive = _predicate("logical_or", "a or b, elementwise.", scalar="where(a, 1, where(b, 1, 0))")
logical_xor: Primitive = _predicate("logical_xor", "Exactly one of a and b, elementwise.")
bitwise_and: Primitive = _predicate(
    "bitwise_and", "a & b of integers or booleans.", scalar="where(a, where(b, 1, 0), 0)"
)
bitwise_or: Primitive = _predicate("bitwise_or", "a | b of integers or booleans.", scalar="where(a, 1, where(b, 1, 0))")
bitwise_xor: Primitive = _predicate("bitwise_xor", "a ^ b of integers or booleans.")
bitwise_left_shift: Primitive = _predicate("left_shift", "a << b of integers.")
bitwise_right_shift: Primitive = _predicate("right_shift", "a >> b of integers.")
logical_not: Primitive = _predicate("logical_not", "Not x, elementwise.", 1, "where(x, 0, 1)")
bitwise_invert: Primitive = _predicate("invert", "~x of integers or booleans.", 1, "where(x, 0, 1)")
isnan: Primitive = _predicate("isnan", "Whether x is NaN, elementwise.", 1, "x != x")
isinf: Primitive = _predicate("isinf", "Whether x is an infinity, elementwise.", 1, "abs(x) == inf")
isfinite: Primitive = _predicate(
    "isfinite", "Whether x is neither NaN nor an infinity, elementwise.", 1, "abs(x) < inf"
)
signbit: Primitive = _predicate("signbit", "Whether the sign bit of x is set, elementwise.", 1)
