"""A vector's float32 values as float64: what sums and products are gathered in.

`wide` is LANES float64 values, two registers' worth, with the operators + and *. Numbers come from memory, which takes
as long as making them float64: so what is gathered is as exact as float64 at no cost. How an `@intrinsic` is written
stands in simd.py. Held by tests/kernels/test_wide.py, lane by lane against NumPy.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model

from .compiled import njit
from .simd import FASTMATH, FLOATS, LANES, address, intrinsic, splat, vector, vload, vload_first

_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_INT = ir.IntType(32)


class WideType(types.Type):
    """Numba's type of `LANES` float64 values held in registers."""

    def __init__(self) -> None:
        super().__init__(name=f"float64x{LANES}")


wide = WideType()


@register_model(WideType)
class _WideModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _DOUBLES)


def _operator(function: Any, instruction: str) -> None:
    @infer_global(function)
    class _Signature(ConcreteTemplate):
        cases = (signature(wide, wide, wide),)

    @lower_builtin(function, wide, wide)
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


_operator(operator.add, "fadd")
_operator(operator.mul, "fmul")


@intrinsic
def widened(typing: Any, x: Any) -> Any:
    """A vector of float32 as float64."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fpext(args[0], _DOUBLES)

    return (wide(x), build) if x == vector else None


@intrinsic
def narrowed(typing: Any, x: Any) -> Any:
    """The same rounded to float32."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fptrunc(args[0], FLOATS)

    return (vector(x), build) if x == wide else None


@njit(fastmath=FASTMATH)
def wload(x, at):
    """x[at : at + LANES], of float32."""
    return widened(vload(x, at))


@njit(fastmath=FASTMATH)
def wload_first(x, at, count, fill):
    """The first `count` lanes from x[at:], of float32, the others equal to `fill`."""
    return widened(vload_first(x, at, count, fill))


@intrinsic
def wload_wide(typing: Any, array: Any, index: Any) -> Any:
    """array[index : index + LANES], of float64."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(address(context, builder, sig.args, args, _DOUBLES))
        value.align = 8
        return value

    return wide(array, index), build


@intrinsic
def wstore(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + LANES] = value, of float64."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], address(context, builder, sig.args, args, _DOUBLES)).align = 8
        return context.get_dummy_value()

    return types.void(array, index, value), build


@intrinsic
def wfill(typing: Any, scalar: Any) -> Any:
    """Every lane equal to `scalar`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return splat(builder, context.cast(builder, args[0], sig.args[0], types.float64), _DOUBLES)

    return wide(scalar), build


def _moved(builder: Any, value: Any, by: int, fill: float) -> Any:
    """Lane i holds what lane i - by held, or `fill` where there is none."""
    rest = ir.Constant(_DOUBLES, [fill] * LANES)
    lanes = [i - by if 0 <= i - by < LANES else LANES for i in range(LANES)]
    return builder.shuffle_vector(value, rest, ir.Constant(ir.VectorType(_INT, LANES), lanes))


def _running(instruction: str, neutral: float, sign: int) -> Any:
    """Lane i gathers lanes 0 to i, or for sign -1 lanes i to the last: in steps of 1, 2, 4, ... (Hillis and Steele)."""

    def function(typing: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value, step = args[0], 1
            while step < LANES:
                value = getattr(builder, instruction)(value, _moved(builder, value, sign * step, neutral))
                step *= 2
            return value

        return (wide(x), build) if x == wide else None

    return intrinsic(function)


running_sums, running_sums_back = _running("fadd", 0.0, 1), _running("fadd", 0.0, -1)
running_products, running_products_back = _running("fmul", 1.0, 1), _running("fmul", 1.0, -1)


def _spread(lane: int) -> Any:
    def function(typing: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            lanes = ir.Constant(ir.VectorType(_INT, LANES), [lane] * LANES)
            return builder.shuffle_vector(args[0], args[0], lanes)

        return (wide(x), build) if x == wide else None

    return intrinsic(function)


first_lane, last_lane = _spread(0), _spread(LANES - 1)  # in every lane


def _lanes_folded(builder: Any, value: Any, combine: Callable[..., Any]) -> Any:
    """The upper half on the lower one until a single lane is left."""
    width = LANES
    while width > 1:
        width //= 2
        halves = [ir.Constant(ir.VectorType(_INT, width), list(range(i, i + width))) for i in (0, width)]
        value = combine(*[builder.shuffle_vector(value, value, half) for half in halves])
    return builder.extract_element(value, ir.Constant(_INT, 0))


def _across(instruction: str) -> Any:
    """All lanes gathered in one float64."""

    def function(typing: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _lanes_folded(builder, args[0], getattr(builder, instruction))

        return (types.float64(x), build) if x == wide else None

    return intrinsic(function)


across_sum, across_product = _across("fadd"), _across("fmul")


# -- the greatest and the least: NaN where there is one, in which vmax and vmin of simd.py differ ----------------------


def _extreme(comparison: str) -> Any:
    """Of two vectors, lane by lane, or of two numbers."""

    def function(typing: Any, x: Any, y: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, y = args
            chosen = builder.select(builder.fcmp_ordered(comparison, x, y), x, y)
            return builder.select(builder.fcmp_unordered("uno", x, x), x, chosen)

        return (x(x, y), build) if x == y else None

    return intrinsic(function)


def _extreme_across(comparison: str) -> Any:
    """Of the lanes of a vector, a float32."""

    def function(typing: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value = args[0]
            unordered = builder.bitcast(builder.fcmp_unordered("uno", value, value), ir.IntType(LANES))
            found = _lanes_folded(
                builder, value, lambda a, b: builder.select(builder.fcmp_ordered(comparison, a, b), a, b)
            )
            some = builder.icmp_unsigned("!=", unordered, ir.Constant(ir.IntType(LANES), 0))
            return builder.select(some, ir.Constant(ir.FloatType(), float("nan")), found)

        return (types.float32(x), build) if x == vector else None

    return intrinsic(function)


greater, across_greatest = _extreme(">"), _extreme_across(">")
lesser, across_least = _extreme("<"), _extreme_across("<")
