"""SIMD vectors of float32 as values in Numba: 16 lanes with AVX-512, 8 with AVX, 4 elsewhere.

LLVM's vector types become one Numba type, `vector`, with the operators + - * / and unary -, and the functions
below (called from compiled code only). LLVM lowers any lane count on any processor, so `LANES` decides speed,
never correctness; it is chosen at import, from the processor Numba compiles for. A memory operand is an array
and an index: elements counted from the array's first, in memory order, unchecked (C-contiguous, any rank).

An `@intrinsic` is asked with the types of its arguments, when a caller is compiled, and answers with its signature and
`build`, which writes its instructions (LLVM's, by `builder`) in the place of the call; None refuses the types.
Held by tests/kernels/test_simd.py, lane by lane against NumPy.
"""

import operator
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, models, register_model
from numba.np.arrayobj import make_array

from tinygen.kernels.cpu.compiled import njit

# Numba's annotations take these decorators' arguments for those of the function they make.
config: Any = numba.core.config
intrinsic: Any = numba.extending.intrinsic


_LEVELS = {"generic": "", "x86-64": "", "x86-64-v2": "", "x86-64-v3": "+avx", "x86-64-v4": "+avx,+avx512f"}


def _features() -> frozenset[str]:
    """The instruction sets that Numba will compile for, as LLVM names them: NUMBA_CPU_NAME's where that is a level.

    Of another name, what NUMBA_CPU_FEATURES says, or else this processor's.
    """
    text = config.CPU_FEATURES or _LEVELS.get(config.CPU_NAME, config.CPU_FEATURES)
    if text is None:
        text = get_host_cpu_features()
    return frozenset(word[1:] for word in text.split(",") if word.startswith("+"))


FEATURES = _features()
LANES = 16 if "avx512f" in FEATURES else 8 if "avx" in FEATURES else 4
# Vector registers to plan a microkernel for: AVX-512 and NEON have 32, SSE and AVX2 have 16.
REGISTERS = 32 if LANES == 16 or "neon" in FEATURES else 16

# NaN and infinities must come through: the flags for `fastmath=` in every kernel that uses vectors.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
FLOATS, INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
SUFFIX = f"v{LANES}f32"


class VectorType(types.Type):
    """Numba's type of `LANES` float32 values held in a register."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


def address(context: Any, builder: Any, kinds: Any, args: Any, pointee: Any) -> Any:
    """Pointer to element args[1] of array args[0]."""
    data = make_array(kinds[0])(context, builder, args[0]).data
    index = context.cast(builder, args[1], kinds[1], types.intp)
    return builder.bitcast(builder.gep(data, [index]), pointee.as_pointer())


def is_float32(array: Any) -> bool:
    """Whether a Numba type is an array of float32, of any rank."""
    return isinstance(array, types.Array) and array.dtype == types.float32


def splat(builder: Any, scalar: Any, kind: Any) -> Any:
    """Every lane equal to `scalar`."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(INTS, [0] * LANES))


def first_lanes(context: Any, builder: Any, kind: Any, count: Any) -> Any:
    """Mask of the first `count` lanes."""
    count = builder.trunc(context.cast(builder, count, kind, types.int64), _INT)
    return builder.icmp_signed("<", ir.Constant(INTS, list(range(LANES))), splat(builder, count, INTS))


def llvm_call(builder: Any, name: str, result: Any, args: Any) -> Any:
    """Call the LLVM function `name`, declared from its arguments' types."""
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


# ---- memory


@intrinsic
def vload(typing: Any, array: Any, index: Any) -> Any:
    """array[index : index + LANES]."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(address(context, builder, sig.args, args, FLOATS))
        value.align = 4
        return value

    return (vector(array, index), build) if is_float32(array) else None


@intrinsic
def vstore(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + LANES] = value."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], address(context, builder, sig.args, args, FLOATS)).align = 4
        return context.get_dummy_value()

    return (types.void(array, index, value), build) if is_float32(array) and value == vector else None


@intrinsic
def vload_first(typing: Any, array: Any, index: Any, count: Any, fill: Any) -> Any:
    """The first `count` lanes from array[index:], the others equal to `fill`; no byte beyond is read."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = address(context, builder, sig.args, args, FLOATS)
        mask = first_lanes(context, builder, sig.args[2], args[2])
        rest = splat(builder, context.cast(builder, args[3], sig.args[3], types.float32), FLOATS)
        return llvm_call(builder, f"llvm.masked.load.{SUFFIX}.p0", FLOATS, [pointer, ir.Constant(_INT, 4), mask, rest])

    return (vector(array, index, count, fill), build) if is_float32(array) else None


@intrinsic
def vload_back(typing: Any, array: Any, index: Any, count: Any) -> Any:
    """The first `count` lanes from array[index], array[index - 1] and so on; nothing else is read."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        backwards = ir.Constant(INTS, list(range(LANES))[::-1])
        place = args[0], builder.sub(args[1], ir.Constant(args[1].type, LANES - 1))
        pointer = address(context, builder, sig.args, place, FLOATS)
        mask = first_lanes(context, builder, sig.args[2], args[2])
        mask = builder.shuffle_vector(mask, mask, backwards)
        operands = [pointer, ir.Constant(_INT, 4), mask, ir.Constant(FLOATS, None)]
        value = llvm_call(builder, f"llvm.masked.load.{SUFFIX}.p0", FLOATS, operands)
        return builder.shuffle_vector(value, value, backwards)

    return (vector(array, index, count), build) if is_float32(array) else None


@intrinsic
def vstore_first(typing: Any, array: Any, index: Any, value: Any, count: Any) -> Any:
    """array[index : index + count] = the first `count` lanes of value; no byte beyond is written."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = address(context, builder, sig.args, args, FLOATS)
        mask = first_lanes(context, builder, sig.args[3], args[3])
        operands = [args[2], pointer, ir.Constant(_INT, 4), mask]
        llvm_call(builder, f"llvm.masked.store.{SUFFIX}.p0", ir.VoidType(), operands)
        return context.get_dummy_value()

    return (types.void(array, index, value, count), build) if is_float32(array) and value == vector else None


@intrinsic
def vbroadcast(typing: Any, array: Any, index: Any) -> Any:
    """Every lane equal to array[index]."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return splat(builder, builder.load(address(context, builder, sig.args, args, _FLOAT)), FLOATS)

    return (vector(array, index), build) if is_float32(array) else None


@intrinsic
def vfill(typing: Any, scalar: Any) -> Any:
    """Every lane equal to `scalar`, rounded to float32."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return splat(builder, context.cast(builder, args[0], sig.args[0], types.float32), FLOATS)

    return vector(scalar), build


@intrinsic
def vzero(typing: Any) -> Any:
    """Every lane zero."""
    return vector(), lambda context, builder, sig, args: ir.Constant(FLOATS, [0.0] * LANES)


# ---- arithmetic


def _operator(function: Any, instruction: str) -> None:
    @infer_global(function)
    class _Signature(ConcreteTemplate):
        cases = (signature(vector, vector, vector),)

    @lower_builtin(function, vector, vector)
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_function, _instruction)


@infer_global(operator.neg)
class _NegateSignature(ConcreteTemplate):
    cases = (signature(vector, vector),)


@lower_builtin(operator.neg, vector)
def _negate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def unary(name: str) -> Any:
    def function(typing: Any, x: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return llvm_call(builder, f"llvm.{name}.{SUFFIX}", FLOATS, args)

        return (vector(x), build) if x == vector else None

    return intrinsic(function)


vsqrt = unary("sqrt")  # lane by lane, correctly rounded
vround = unary("rint")  # to the nearest integer, ties to even
vabs = unary("fabs")


def multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z: one instruction, rounded once, where the processor has it (from AVX2 on, NEON); elsewhere two."""
    return llvm_call(builder, f"llvm.fmuladd.{SUFFIX}", FLOATS, [x, y, z])


def _multiply_add(build: Any) -> Any:
    def function(typing: Any, x: Any, y: Any, z: Any) -> Any:
        return (vector(x, y, z), build) if x == y == z == vector else None

    return intrinsic(function)


vfma = _multiply_add(lambda context, builder, sig, args: multiply_add(builder, *args))
# Rounded once everywhere: where the processor has no such instruction a function of C's, for one lane after the other.
vfma_once = _multiply_add(lambda context, builder, sig, args: llvm_call(builder, f"llvm.fma.{SUFFIX}", FLOATS, args))


@intrinsic
def vheld(typing: Any, x: Any) -> Any:
    """x itself, loaded in any case: a load that only a choice needs would become one by a mask, which waits for the
    comparison, and memory for it."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return llvm_call(builder, f"llvm.arithmetic.fence.{SUFFIX}", FLOATS, args)

    return (vector(x), build) if x == vector else None


def _select(comparison: str) -> Any:
    def function(typing: Any, x: Any, y: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, *args), *args)

        return (vector(x, y), build) if x == y == vector else None

    return intrinsic(function)


# One instruction each (maxps, minps). Where either lane is NaN the result is that of y: a clamp written
# vmin(high, vmax(low, x)) lets a NaN in x through.
vmax = _select(">")  # x where x > y, else y
vmin = _select("<")  # x where x < y, else y


@intrinsic
def vwhere_less(typing: Any, x: Any, y: Any, a: Any, b: Any) -> Any:
    """a where x < y, else b (so b where either is NaN)."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return (vector(x, y, a, b), build) if x == y == a == b == vector else None


@intrinsic
def vsum(typing: Any, x: Any) -> Any:
    """Sum of the lanes, as a float32, in a fixed tree order."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _reduce(builder, args[0], builder.fadd)

    return (types.float32(x), build) if x == vector else None


@intrinsic
def vmax_lane(typing: Any, x: Any) -> Any:
    """Greatest lane, as a float32 (undefined between a NaN and a number: one of the two)."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _reduce(builder, args[0], lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))

    return (types.float32(x), build) if x == vector else None


def _reduce(builder: Any, value: Any, combine: Any) -> Any:
    """Fold the upper half on the lower one until a single lane is left."""
    width = LANES
    while width > 1:
        width //= 2
        halves = [
            builder.shuffle_vector(
                value, value, ir.Constant(ir.VectorType(_INT, width), list(range(start, start + width)))
            )
            for start in (0, width)
        ]
        value = combine(*halves)
    return builder.extract_element(value, ir.Constant(_INT, 0))


@intrinsic
def vscaled(typing: Any, p: Any, n: Any) -> Any:
    """p 2^n for p from 1/2 to 2 and integral n from -125 to 128; for any other n some number, never a trap."""

    def in_one(builder: Any, p: Any, n: Any) -> Any:
        every, rounding = ir.Constant(ir.IntType(LANES), -1), ir.Constant(_INT, 4)
        return llvm_call(builder, "llvm.x86.avx512.mask.scalef.ps.512", FLOATS, [p, n, p, every, rounding])

    def by_bits(builder: Any, p: Any, n: Any) -> Any:
        # 1.5 * 2^23 leaves the integer n in the lowest bits; the shift moves it to the exponent. 2^128 is no float32.
        shifted = builder.fadd(n, ir.Constant(FLOATS, [12582912.0 + 127 - 1] * LANES))
        power = builder.shl(builder.bitcast(shifted, INTS), ir.Constant(INTS, [23] * LANES))
        half = builder.fmul(p, builder.bitcast(power, FLOATS))
        return builder.fadd(half, half)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return (in_one if LANES == 16 else by_bits)(builder, *args)

    return (vector(p, n), build) if p == n == vector else None


def coefficients(*numbers: float) -> tuple[Any, ...]:
    """Those of a polynomial, the highest first."""
    return tuple([np.float32(c) for c in numbers])


@njit(fastmath=FASTMATH)
def vpolynomial(c, x):
    """The polynomial of x with the `coefficients` c, a constant of a module: Horner's rule, which LLVM writes out."""
    p = vfill(c[0])
    for k in range(1, len(c)):
        p = vfma(p, x, vfill(c[k]))
    return p


# exp(r) = 1 + r + r^2 q(r) on |r| <= log(2)/2: q interpolates at the Chebyshev nodes, relative error 8e-10.
EXP_TAIL = coefficients(1.9891030e-4, 1.3933686e-3, 8.3333105e-3, 4.1666463e-2, 1.6666667e-1, 0.5)
_LOG2_E = np.float32(1.4426950408889634)
# log 2 in two parts (Cody and Waite): the first has nine bits, so its product with n is exact.
_LOG2_HIGH, _LOG2_LOW = np.float32(0.693359375), np.float32(np.log(2) - 0.693359375)
_LOWEST, _HIGHEST = np.float32(-86.64), np.float32(89.0)
ONE, HALF = np.float32(1), np.float32(0.5)


@njit(fastmath=FASTMATH)
def vexp(x):
    """e^x lane by lane; 0 for x < -86.64, infinite on overflow.

    To within .9 units in the last place; 1.2 where a product and a sum are rounded apart.
    """
    y = vmin(vfill(_HIGHEST), x)
    n = vround(y * vfill(_LOG2_E))
    r = vfma(n, vfill(-_LOG2_LOW), vfma(n, vfill(-_LOG2_HIGH), y))
    q = vpolynomial(EXP_TAIL, r)
    p = vfma(vfma(q, r, vfill(ONE)), r, vfill(ONE))
    return vwhere_less(x, vfill(_LOWEST), vzero(), vscaled(p, n))


@njit(fastmath=FASTMATH)
def vsigmoid(x):
    """1 / (1 + e^-x) lane by lane."""
    return vfill(ONE) / (vfill(ONE) + vexp(-x))
