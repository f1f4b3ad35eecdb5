"""A square tile of float32 turned in registers: LANES rows of LANES elements, written as their transpose.

The classical exchange: at step s = 1, 2, 4, ... rows i and i + s (i without the bit s) swap the lanes whose
index lacks that bit with those that have it; after log2(LANES) steps row i holds column i.
Held by tests/kernels/test_attention.py, whose packed keys pass through it.
"""

from typing import Any

from llvmlite import ir
from numba import types

from .simd import FLOATS, LANES, address, intrinsic, is_float32

_INTS = ir.VectorType(ir.IntType(32), LANES)
_LANES = range(LANES)


def _exchange(builder: Any, rows: list[Any], step: int) -> None:
    """Swap the off-diagonal blocks of size `step`. In a shuffle, lanes LANES and up are the second vector's."""
    low = [lane if not lane & step else LANES + lane - step for lane in _LANES]
    high = [lane + step if not lane & step else LANES + lane for lane in _LANES]
    for i in _LANES:
        if not i & step:
            pair = rows[i], rows[i + step]
            rows[i], rows[i + step] = (builder.shuffle_vector(*pair, ir.Constant(_INTS, mask)) for mask in (low, high))


@intrinsic
def transpose_tile(typing: Any, x: Any, start: Any, stride: Any, out: Any, at: Any, out_stride: Any) -> Any:
    """out[at + i out_stride + j] = x[start + j stride + i] for i, j < LANES; flat arrays of float32."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def place(first: int, row: int) -> Any:
            index = builder.add(args[first + 1], builder.mul(args[first + 2], ir.Constant(ir.IntType(64), row)))
            kinds = (sig.args[first], types.intp)
            return address(context, builder, kinds, (args[first], index), FLOATS)

        rows = []
        for i in _LANES:
            rows.append(builder.load(place(0, i)))
            rows[-1].align = 4
        step = 1
        while step < LANES:
            _exchange(builder, rows, step)
            step *= 2
        for i in _LANES:
            builder.store(rows[i], place(3, i)).align = 4
        return context.get_dummy_value()

    n = types.intp
    return (types.void(x, n, n, out, n, n), build) if is_float32(x) and is_float32(out) else None
