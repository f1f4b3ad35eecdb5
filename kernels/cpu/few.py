"""Few entries: a task that works entry by entry, as one of NumPy's own functions.

To ask for an empty array and launch a task takes Python three times as long as NumPy takes for all of `np.negative(x)`
on a tiny array. NumPy's functions (`ufunc`) are loops in machine code that it is told of: it finds the results' shape
and memory, and calls the loop with where everything lies. So here the loop is one that calls a task. Where one thread
goes through more entries, that saves time too, since what Python does between two kernels is no longer in a cache then.
Held by tests/kernels/test_few.py.
"""

from functools import cache, cached_property
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.ufunc import _internal  # type: ignore[attr-defined]

from ..definitions.arithmetic import FEW
from .arguments import word
from .compiled import c_function
from .launch import task
from .simd import intrinsic
from .streaming import too_much
from .threads import thread_count

_INT = ir.IntType(64)
_MOST = 32  # arguments of a task
COUNT = -1  # among a task's numbers: how many entries there are
_KINDS = {"f": (np.float32, 4), "b": (np.bool_, 1), "n": (np.float32, 0)}  # dtype; bytes from entry to entry

_POLES = 31  # by zero, invalid, overflow, underflow, whichever bits a machine has for them; not inexact where it can be
_met: Any = types.ExternalFunction("fetestexcept", types.int32(types.int32))  # of C, <fenv.h>
_forget: Any = types.ExternalFunction("feclearexcept", types.int32(types.int32))


@intrinsic
def _put(typing: Any, address: Any, value: Any) -> Any:
    """Writes an intp to an address."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _INT.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), build


@intrinsic
def _room(typing: Any) -> Any:
    """The address of room for the table of a task's arguments."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(cgutils.alloca_once(builder, _INT, 2 * _MOST), _INT)

    return types.intp(), build


@intrinsic
def _call(typing: Any, address: Any, block: Any) -> Any:
    """The task at an address, of the table at another."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_INT] * 3)
        builder.call(
            builder.inttoptr(args[0], kind.as_pointer()), [args[1], ir.Constant(_INT, 0), ir.Constant(_INT, 1)]
        )
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), build


def _loop(arrays, sizes, steps, plan):
    """As NumPy calls it: where arrays begin, how many entries they have, and how many bytes apart these are.

    `plan`: the task, how many arrays, how far apart their entries are as the task has them, how many numbers, these.
    """
    count, several, block = word(sizes), word(plan + 8), _room()
    together = True
    for k in range(several):
        _put(block + 16 * k, word(arrays + 8 * k))
        together = together and word(steps + 8 * k) == word(plan + 16 + 8 * k)
    each = count if together else 1
    numbers = plan + 16 + 8 * several
    for k in range(several):
        _put(block + 16 * k + 8, each if word(plan + 16 + 8 * k) else 1)
    for k in range(word(numbers)):
        number = word(numbers + 8 + 8 * k)
        _put(block + 16 * (several + k), each if number == COUNT else number)
    for _ in range(0, count, each):
        _call(word(plan), block)
        for k in range(several):
            _put(block + 16 * k, word(block + 16 * k) + word(steps + 8 * k))
    if _met(_POLES):  # NumPy would warn
        _forget(_POLES)


@cache
def _compiled_loop() -> Any:
    return c_function(_loop, types.void, 4)


def one_goes_through(a: Any) -> bool:
    """Whether one thread goes through the entries of an array, and the caches hold them."""
    return a.size < FEW or (thread_count(a.size, FEW) == 1 and not too_much(4 * a.nbytes))


def are_few(a: Any, b: Any = None) -> bool:
    """Whether arrays of one shape are for such functions."""
    return one_goes_through(a) and a.flags.c_contiguous and (b is None or b.flags.c_contiguous) and a.ndim > 0


class few:
    """A task whose arguments are arrays of one shape, of which each entry of the `results` last depends on the entries
    at its place in the others; then `numbers`.

    Args:
        kinds: a letter for each array that is read: f for float32, b for bool, n for one entry of float32 for all.
        numbers: integers, `COUNT` for the number of entries.
    """

    def __init__(self, work: task, kinds: str, *numbers: int, results: int = 1):
        self.work, self.kinds, self.numbers, self.results = work, kinds, numbers, results

    @cached_property
    def run(self) -> Any:
        """The function, of contiguous arrays of one axis at least; for n, of one entry. Several results are a tuple."""
        kinds = self.kinds + "f" * self.results
        steps = [_KINDS[kind][1] for kind in kinds]
        self.loop = _compiled_loop()
        self.plan = np.array([self.work.address, len(kinds), *steps, len(self.numbers), *self.numbers], np.intp)
        dtypes = [np.dtype(_KINDS[kind][0]).num for kind in kinds]
        loop, data = [self.loop.address], [self.plan.ctypes.data]
        sizes, kept = (len(self.kinds), self.results), (self.loop, self.plan, self.work)
        name, no_identity = self.work.function.__name__, _internal.PyUFunc_None
        return _internal.fromfunc(name, None, loop, [dtypes], *sizes, data, kept, no_identity)
