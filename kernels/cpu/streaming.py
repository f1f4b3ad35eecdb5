"""Stores past the caches, for results that no cache would still hold when they are read.

A line of memory that is stored to is first read, and pushes another out of the cache: a quarter of a product's traffic,
for nothing where the cache cannot hold the result until it is read. What it can hold is read again three times as fast
as from memory, and must go there. Held by tests/kernels/test_streaming.py.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from .compiled import njit
from .launch import variant
from .simd import FASTMATH, FLOATS, LANES, address, intrinsic, is_float32, vector, vstore, vstore_first

_CACHE = Path("/sys/devices/system/cpu/cpu0/cache")
_BYTES = 16  # what such stores want addresses to be multiples of


@cache
def cached() -> int:
    """Bytes that the largest cache holds; 32 MiB where the system does not say."""
    units = {"": 1, "K": 1 << 10, "M": 1 << 20}
    texts = [re.fullmatch(r"(\d+)([KM]?)\s*", path.read_text()) for path in _CACHE.glob("index*/size")]
    return max((int(found[1]) * units[found[2]] for found in texts if found), default=32 << 20)


def too_much(size: int) -> bool:
    """Whether the caches cannot hold `size` bytes: from three quarters of them on, where glibc's memcpy stores past."""
    return size > 0.75 * cached()


def past_caches(arrays: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> bool:
    """Whether `results`, computed entry by entry from `arrays`, are too large for the caches, and lie so that they can
    be stored past them."""
    if not too_much(sum([a.nbytes for a in (*arrays, *results)])):
        return False
    sizes = {_place(a): a.nbytes for a in (*arrays, *results)}  # what is read twice counts once
    return too_much(sum(sizes.values())) and all(_place(y) % _BYTES == 0 for y in results)


def _place(a: np.ndarray) -> int:
    return a.__array_interface__["data"][0]  # type: ignore[no-any-return]


@intrinsic
def _store_past(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + LANES] = value, at a multiple of 16 bytes."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        store = builder.store(args[2], address(context, builder, sig.args, args, FLOATS))
        store.align = _BYTES
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return (types.void(array, index, value), build) if is_float32(array) and value == vector else None


@intrinsic
def _fence(typing: Any) -> Any:
    """What was stored before is there for all threads: stores past the caches come in no order."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), build


@njit(fastmath=FASTMATH)
def put_vector(x, at, left, value, past):
    """`store_vector`; past the caches if `past` is not 0, and then from a multiple of 4 entries on."""
    if left < LANES:
        vstore_first(x, at, value, left)
    elif past:
        _store_past(x, at, value)
    else:
        vstore(x, at, value)


@njit()
def end(past):
    """To be called when a thread has stored everything."""
    if past:
        _fence()


@njit()
def cut(entries, piece, pieces):
    """Where `piece` of as many equal ones begins, on a whole vector."""
    return entries if piece == pieces else entries * piece // pieces // LANES * LANES


_put: Any = None  # what a variant replaces


def _sweep(given, part, parts, past):
    y = given[-1]
    first, stop = cut(y.size, part, parts), cut(y.size, part + 1, parts)
    whole = stop - (stop - first) % LANES
    for i in range(first, whole, LANES):
        _put(given, i, LANES, past)
    if whole < stop:
        _put(given, whole, stop - whole, past)
    end(past)


def swept(put: Any) -> Any:
    """Decorator: of put(given, i, left, past), which puts a vector at i of the last of what is `given`, it makes a
    function of given, part, parts and past that puts all of this part: whole vectors, for which the compiler leaves out
    what asks how much is left, and makes four of a turn of the loop; and then the rest."""
    inner = njit(fastmath=FASTMATH)(put)
    return njit(fastmath=FASTMATH, cache=False)(variant(_sweep, put.__name__, _put=inner))  # a part of each caller
