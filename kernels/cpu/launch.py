"""Running one compiled function on every thread: small to compile, no specialisations.

Numba compiles a `parallel=True` function several times over, with everything it calls, once more for each type or
flag of an argument. Here a kernel is a `@task`: a C function task(block, part, parts) that does its share of the
work. `block` is a table of the arguments, read by `floats(block, i)`, `integer(block, i)` and their kin below.
One parallel loop, compiled once for all tasks, calls them; where one follows another of the same arguments (`then`), in
one launch. A task compiles when first launched, and is cached.
"""

from collections.abc import Collection
from functools import cached_property
from threading import Lock
from types import FunctionType
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.np.arrayobj import make_array, populate_array
from numpy.typing import NDArray

from tinygen.kernels.cpu import ahead
from tinygen.kernels.cpu.arguments import ARRAY, Arguments, integer_of, table, word
from tinygen.kernels.cpu.built_in import built_in, none, type_error
from tinygen.kernels.cpu.compiled import c_function, cache_of
from tinygen.kernels.cpu.simd import FASTMATH, intrinsic

_INT = ir.IntType(64)
njit: Any = numba.njit
_intrinsic: Any = numba.extending.intrinsic


def variant(function: Any, name: str, **names: Any) -> FunctionType:
    """The same code where `names` stand for global names of its module; Numba caches it under its own `name`."""
    other = FunctionType(function.__code__, {**function.__globals__, **names}, name)
    other.__qualname__, other.__module__ = name, function.__module__
    return other


TASKS: dict[str, "task"] = {}  # those there are, by name


class task:
    """Decorator: the function task(block, part, parts) -> None, compiled to C when its address is first asked for.

    `fastmath` says what the compiler may do to its own arithmetic (the functions it calls say so themselves).
    """

    def __init__(self, function: Any, fastmath: Collection[str] = FASTMATH) -> None:
        self.function = function
        self.fastmath = set(fastmath)
        self.following: task | None = None
        TASKS[self.name] = self

    @property
    def name(self) -> str:
        """Its module's and its function's: "update._adam"."""
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__qualname__}"

    def variant(self, name: str, **names: Any) -> "task":
        """The task in which `names` stand for the module's own, as in `variant`."""
        return task(variant(self.function, name, **names), self.fastmath)

    def then(self, following: "task") -> "task":
        """This task and, when all parts of it are through, `following`, of the same arguments."""
        both = task(self.function, self.fastmath)
        both.following = self.following.then(following) if self.following else following
        return both

    @cached_property
    def address(self) -> int:
        """Where the machine code is."""
        lacking = lambda: ahead.announce(self.name)
        self.kept = c_function(self.function, types.void, 3, self.fastmath, lacking)
        return self.kept.address  # type: ignore[no-any-return]

    @cached_property
    def stages(self) -> int:
        """Where it stands how many stages there are and, behind that, where the machine code of each is."""
        addresses, stage = [self.address], self.following
        while stage:
            addresses.append(stage.address)
            stage = stage.following
        self.table = np.array([len(addresses), *addresses], np.intp)
        return self.table.ctypes.data


@intrinsic
def _call(typing: Any, address: Any, block: Any, part: Any, parts: Any) -> Any:
    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_INT, _INT, _INT])
        start = builder.ptrtoint(make_array(block)(context, builder, args[1]).data, _INT)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [start, *args[2:]])
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, block, n, n), build


_NOT_THESE = "a task is given arrays, integers, floats, and tuples of these"
_refuse = type_error(_NOT_THESE)


@njit(parallel=True)
def _launch(stages, arguments, array_type, parts):
    block, known = table(arguments, array_type)
    if not known:
        raise TypeError(_NOT_THESE)
    for stage in range(word(stages)):
        address = word(stages + 8 * (stage + 1))
        for part in prange(parts):
            _call(address, block, part, parts)


_launch._cache = cache_of(_launch.py_func)


def _here(array_type, given, count):
    """A built-in function of where the stages are and of a tuple of arguments: all of it on the thread that asks."""
    stages, _ = integer_of(word(given))
    block, known = table(word(given + 8), array_type)
    if not known:
        return _refuse()
    for stage in range(word(stages)):
        _call(word(stages + 8 * (stage + 1)), block, 0, 1)
    return none()


_turn = Lock()


def _launch_in_turn(stages: int, arguments: int, array_type: int, parts: int) -> None:
    """`_launch`, one Python thread at a time."""
    with _turn:
        _launch(stages, arguments, array_type, parts)


class _Ways:
    """How stages are run, each way made when it is first asked for."""

    @cached_property
    def here(self) -> Any:
        """On the thread that asks: a built-in function of where the stages are and of a tuple of arguments."""
        return built_in(_here, np.ndarray)

    @cached_property
    def parallel(self) -> Any:
        """On every thread: `_launch`; in turn where no OpenMP is: two Python threads that ask Numba's own work queue
        together end the process."""
        numba.get_num_threads()  # there is no layer before they are started
        return _launch_in_turn if numba.threading_layer() == "workqueue" else _launch


WAYS = _Ways()


def launch(work: task, parts: int, *arguments: NDArray[Any] | float | Arguments) -> None:
    """Run `work` once for each of `parts`, in parallel. A tuple of arguments stands for as many.

    It sees an array as flat memory from its first entry on, of one of the dtypes below and unchecked: contiguous, or
    with the distances of its rows among the other arguments.
    """
    if parts == 1:  # no parallel region: it would wake every thread
        WAYS.here(work.stages, arguments)
    else:
        WAYS.parallel(work.stages, id(arguments), ARRAY, parts)


def _slot(builder: Any, args: Any, place: int) -> Any:
    block, index = args
    pointer = builder.inttoptr(block, _INT.as_pointer())
    offset = builder.add(builder.shl(index, ir.Constant(_INT, 1)), ir.Constant(_INT, place))
    return builder.load(builder.gep(pointer, [offset]))


def _array(dtype: Any, size: int) -> Any:
    kind = types.Array(dtype, 1, "C")

    def function(typing: Any, block: Any, index: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            array = make_array(kind)(context, builder)
            address = _slot(builder, args, 0)
            element = context.get_data_type(dtype).as_pointer()
            itemsize = ir.Constant(_INT, size)
            populate_array(
                array,
                data=builder.inttoptr(address, element),
                shape=[_slot(builder, args, 1)],
                strides=[itemsize],
                itemsize=itemsize,
                meminfo=None,
            )
            return array._getvalue()

        return kind(types.intp, types.intp), build

    return intrinsic(function)


# Argument i as a flat array of float32, float64, intp, uint64, and of bool as bytes.
floats, doubles = _array(types.float32, 4), _array(types.float64, 8)
integers, words, flags = _array(types.intp, 8), _array(types.uint64, 8), _array(types.uint8, 1)


@intrinsic
def integer(typing: Any, block: Any, index: Any) -> Any:
    """integer(block, i): argument i as an intp."""
    return (
        types.intp(types.intp, types.intp),
        lambda context, builder, sig, args: _slot(builder, args, 0),
    )


@intrinsic
def real(typing: Any, block: Any, index: Any) -> Any:
    """real(block, i): argument i, a float or an integer, as a float64."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, is_float = _slot(builder, args, 0), builder.trunc(_slot(builder, args, 1), ir.IntType(1))
        double = ir.DoubleType()
        return builder.select(is_float, builder.bitcast(value, double), builder.sitofp(value, double))

    return types.float64(types.intp, types.intp), build


@_intrinsic(prefer_literal=True)
def several(typing: Any, array: Any, first: Any, count: Any) -> Any:
    """several(a, i, 3): a[i], a[i + 1], a[i + 2]; for `x, y, z = a[i : i + 3]` Numba compiles a check at each step."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    kind = types.UniTuple(array.dtype, count.literal_value)

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = make_array(sig.args[0])(context, builder, args[0]).data
        start = builder.gep(data, [context.cast(builder, args[1], sig.args[1], types.intp)])
        entries = [builder.load(builder.gep(start, [ir.Constant(_INT, i)])) for i in range(kind.count)]
        return context.make_tuple(builder, kind, entries)

    return kind(array, first, count), build
