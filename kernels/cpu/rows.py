"""Entries taken along an axis by index, and added up by index, on the CPU.

An array is (outer, count, inner) here, `count` its size along the axis. What is taken are runs of `inner` entries where
these share an index, as the rows of a table do, else single entries. Where results are added up each thread owns a
range of them, so the order of additions is that of the indices.
The same functions as kernels/definitions/rows.py, held to it, bit by bit, by tests/kernels/test_rows.py.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.np.arrayobj import make_array

from ..definitions import rows as definition
from .compiled import njit
from .joining import memory_order
from .launch import floats, integer, integers, launch, task
from .packing import load_vector, store_vector
from .rows_copied import copy_floats
from .simd import FLOATS, LANES, address, first_lanes, intrinsic, is_float32, llvm_call, splat, vector
from .threads import thread_count

Array = np.ndarray
Sizes = tuple[int, ...]

_FLOAT, _INDEX = np.dtype(np.float32), np.dtype(np.intp)
_SERIAL = 1 << 16  # elements worth a thread's waking
_WORD = ir.IntType(64)
_WORDS, _BITS = ir.VectorType(_WORD, LANES), ir.IntType(LANES)
_INDICES = types.Array(types.intp, 1, "C")
_FEW = 1 << 12  # ... that NumPy has taken before a launch begins


@intrinsic
def _place(typing: Any, index: Any, at: Any, count: Any, least: Any) -> Any:
    """index[at], from 0 on; -1 if it is not from `least` to `count` - 1."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found = builder.load(address(context, builder, sig.args, args, _WORD))
        return _checked(builder, found, args[2], args[3], ir.Constant(_WORD, 0), ir.Constant(_WORD, -1))

    return (types.intp(index, at, types.intp, types.intp), build) if index == _INDICES else None


@intrinsic
def _taken(typing: Any, x: Any, start: Any, apart: Any, step: Any, index: Any, at: Any, left: Any, limits: Any) -> Any:
    """In lane i, of which `left` count, x[start + place apart + i step] for the place that index[at + i] names, or 0;
    and whether one of them names none. The limits are those of `_place`."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lanes = ir.Constant(_WORDS, list(range(LANES)))
        zero, none = ir.Constant(_WORDS, [0] * LANES), ir.Constant(_WORDS, [-1] * LANES)
        mask = first_lanes(context, builder, sig.args[6], args[6])
        pointer = address(context, builder, sig.args[4:], args[4:], _WORDS)
        operands = [pointer, ir.Constant(ir.IntType(32), 8), mask, zero]
        found = llvm_call(builder, f"llvm.masked.load.v{LANES}i64.p0", _WORDS, operands)
        count, least = (splat(builder, builder.extract_value(args[7], i), _WORDS) for i in range(2))
        place = _checked(builder, found, count, least, zero, none)
        fits = builder.and_(mask, builder.icmp_signed(">=", place, zero))
        first, apart, step = (splat(builder, args[i], _WORDS) for i in (1, 2, 3))
        entry = builder.add(first, builder.add(builder.mul(place, apart), builder.mul(lanes, step)))
        data = make_array(sig.args[0])(context, builder, args[0]).data
        whole = splat(builder, builder.ptrtoint(data, _WORD), _WORDS)
        pointers = builder.add(whole, builder.shl(entry, ir.Constant(_WORDS, [2] * LANES)))
        pointers = builder.inttoptr(pointers, ir.VectorType(ir.FloatType().as_pointer(), LANES))
        operands = [pointers, ir.Constant(ir.IntType(32), 4), fits, ir.Constant(FLOATS, [0.0] * LANES)]
        value = llvm_call(builder, f"llvm.masked.gather.v{LANES}f32.v{LANES}p0", FLOATS, operands)
        missed = builder.icmp_signed("!=", builder.bitcast(fits, _BITS), builder.bitcast(mask, _BITS))
        return context.make_tuple(builder, sig.return_type, [value, builder.zext(missed, _WORD)])

    n = types.intp
    made = types.Tuple([vector, n])(x, n, n, n, index, at, left, types.UniTuple(n, 2))
    return (made, build) if is_float32(x) and index == _INDICES else None


def _checked(builder: Any, index: Any, count: Any, least: Any, zero: Any, none: Any) -> Any:
    """`index`, or each lane of it, from 0 on, or `none`."""
    below = builder.icmp_signed("<", index, zero)
    fits = builder.and_(builder.icmp_signed(">=", index, least), builder.icmp_signed("<", index, count))
    return builder.select(fits, builder.select(below, builder.add(index, count), index), none)


@njit()
def _some_outside(index, limits):
    missed = 0
    for i in range(index.size):
        missed |= (index[i] < limits[1]) | (index[i] >= limits[0])
    return missed


@njit()
def _take_entries(x, row, count, index, y, to, start, end):
    """y[to + j] = x[row + index[j]], j from `start` to `end` - 1; no index is outside."""
    for j in range(start, end):
        place = index[np.uintp(j)]
        y[np.uintp(to + j)] = x[np.uintp(row + place + (count if place < 0 else 0))]


@task
def _take(block, part, parts):
    """Arguments: x (outer, count, inner), index, y (outer, m, inner), outside (1,); outer, count, m, inner, the
    distances of the indices along the three axes, whether these may be below 0."""
    x, index, y, outside = floats(block, 0), integers(block, 1), floats(block, 2), integers(block, 3)
    outer, count, m, inner = integer(block, 4), integer(block, 5), integer(block, 6), integer(block, 7)
    by_outer, by_m, by_inner = integer(block, 8), integer(block, 9), integer(block, 10)
    limits, missed = (count, -count if integer(block, 11) else 0), 0
    first, stop = outer * m * part // parts, outer * m * (part + 1) // parts
    # Where all rows share the indices it is asked once whether they fit: one after the other is then sooner than by
    # vectors.
    shared = inner == 1 and by_outer == 0 and outer > 1
    if shared and _some_outside(index, limits):
        outside[0] = 1
        return
    for o in range(first // m, (stop + m - 1) // m):
        start, end = max(first - o * m, 0), min(stop - o * m, m)
        if shared:
            _take_entries(x, o * count, count, index, y, o * m, start, end)
            continue
        if inner == 1:
            for j in range(start, end, LANES):
                at = o * by_outer + j
                value, none = _taken(x, o * count, 1, 0, index, at, end - j, limits)
                store_vector(y, o * m + j, end - j, value)
                missed |= none
            continue
        for j in range(start, end):
            to, at = (o * m + j) * inner, o * by_outer + j * by_m
            if by_inner:
                for i in range(0, inner, LANES):
                    value, none = _taken(x, o * count * inner + i, inner, 1, index, at + i, inner - i, limits)
                    store_vector(y, to + i, inner - i, value)
                    missed |= none
            else:
                place = _place(index, at, *limits)
                missed |= place < 0
                copy_floats(x, (o * count + max(place, 0)) * inner, y, to, inner)
    if missed:
        outside[0] = 1


@njit()
def _add_entries(g, of, out, to, apart, step, index, at, length, count, limits):
    """out[to + place apart + i step] += g[of + i] for the places, from limits[0] to limits[1] - 1, that index[at + i]
    name. Whether one names none of `count`."""
    missed = 0
    for i in range(length):
        place = _place(index, at + i, count, -count)
        missed |= place < 0
        if limits[0] <= place < limits[1]:
            out[np.uintp(to + place * apart + i * step)] += g[np.uintp(of + i)]
    return missed


@task
def _add(block, part, parts):
    """Arguments: g (outer, m, inner), index, out (outer, count, inner), outside (1,); and as above."""
    g, index, out, outside = floats(block, 0), integers(block, 1), floats(block, 2), integers(block, 3)
    outer, count, m, inner = integer(block, 4), integer(block, 5), integer(block, 6), integer(block, 7)
    by_outer, by_m, by_inner = integer(block, 8), integer(block, 9), integer(block, 10)
    first, stop = outer * count * part // parts, outer * count * (part + 1) // parts
    missed = 0
    for o in range(first // count, (stop + count - 1) // count):
        own = max(first - o * count, 0), min(stop - o * count, count)
        if inner == 1:
            missed |= _add_entries(g, o * m, out, o * count, 1, 0, index, o * by_outer, m, count, own)
            continue
        for j in range(m):
            of, at = (o * m + j) * inner, o * by_outer + j * by_m
            if by_inner:
                missed |= _add_entries(g, of, out, o * count * inner, inner, 1, index, at, inner, count, own)
                continue
            place = _place(index, at, count, -count)
            missed |= place < 0
            if own[0] <= place < own[1]:
                to = (o * count + place) * inner
                for i in range(0, inner, LANES):
                    total = load_vector(out, to + i, inner - i, 0) + load_vector(g, of + i, inner - i, 0)
                    store_vector(out, to + i, inner - i, total)
    if missed:
        outside[0] = 1


# Shapes are looked at once for each combination of them.


@lru_cache(maxsize=1024)
def _numbers(shape: Sizes, of_index: Sizes, axis: int, each: bool) -> tuple[Sizes, Sizes]:
    """The shape of what is taken from one of `shape`, and what the tasks are told."""
    lead, rest = shape[:axis], shape[axis + 1 :]
    outer, inner = prod(lead), prod(rest)
    if each:
        m = of_index[axis]
        return of_index, (outer, shape[axis], m, inner, m * inner, inner, 1)
    m = prod(of_index)
    return (*lead, *of_index, *rest), (outer, shape[axis], m, inner, 0, 1, 0)


def _run(work: task, x: Array, index: Array, y: Array, numbers: Sizes, below: bool = True) -> Array:
    """Launches a task from x to y, and returns y."""
    outside = np.zeros(1, np.intp)
    if not (index.dtype is _INDEX and index.flags.c_contiguous):
        index = np.ascontiguousarray(index, np.intp)
    parts = thread_count(max(x.size, y.size), _SERIAL)
    launch(work, parts, x if x.flags.c_contiguous else np.ascontiguousarray(x), index, y, outside, numbers, below)
    if outside[0]:
        raise definition.outside(int(index.min()), int(index.max()), numbers[1], below)
    return y


def take(x: Array, index: Array, axis: int, each: bool = False, below: bool = True) -> Array:
    """The entries of x at integers `index` along `axis`, laid out in memory as x; see the definition."""
    if x.dtype is not _FLOAT or not x.size or not index.size:
        return definition.take(x, index, axis, each, below)
    if below and not each and index.size * x.size < _FEW * x.shape[axis]:
        try:
            return x.take(index, axis)
        except IndexError:
            definition.check_index(x.shape, index, axis, each)
            raise
    if each and definition.beside(x.shape, axis) != definition.beside(index.shape, axis):
        definition.check_index(x.shape, index, axis, each)
    if not (each or index.ndim > 1 or x.flags.c_contiguous):
        order, place, back = memory_order(x.strides, axis)
        if list(order) != sorted(order):
            return take(x.transpose(order), index, place, False, below).transpose(back)
    shape, numbers = _numbers(x.shape, index.shape, axis, each)
    outer, _, m, inner, *_ = numbers
    if inner >= LANES and not each and outer * m * inner >= _FEW and thread_count(outer * m * inner, _SERIAL) == 1:
        return definition.take(x, index, axis, each, below)  # NumPy copies long runs faster than one thread does here
    return _run(_take, x, index, np.empty(shape, _FLOAT), numbers, below)


def add_taken(g: Array, index: Array, axis: int, count: int, each: bool = False) -> Array:
    """Each entry of g added where `take` took it from, of `count` along `axis`; see the definition."""
    if g.dtype is not _FLOAT or not g.size or not count:
        return definition.add_taken(g, index, axis, count, each)
    if not (each or index.ndim > 1 or g.flags.c_contiguous):
        order, place, back = memory_order(g.strides, axis)
        if list(order) != sorted(order):
            return add_taken(g.transpose(order), index, place, count).transpose(back)
    shape = definition.taken_from(g, index, axis, count, each)
    return _run(_add, g, index, np.zeros(shape, _FLOAT), _numbers(shape, index.shape, axis, each)[1])
