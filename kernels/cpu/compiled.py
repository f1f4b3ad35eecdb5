"""Functions that compiled code calls, and Python does not: what of Numba's work they can do without.

`njit` is for small ones, which become part of each caller's code. A `routine` is compiled once, on its own, and called
by its name: for what is large and worth a call. Held by tests/kernels/test_compiled.py.
"""

import gc
import hashlib
import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache, NullCache
from numba.core.ccallback import CFunc
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys

from tinygen.kernels.cpu.pipeline import Pipeline
from tinygen.kernels.cpu.turns import are_there, turn

_KINDS = {
    "f": types.float32[::1],
    "d": types.float64[::1],
    "i": types.intp[::1],
    "m": types.float32[:, ::1],
    "n": types.intp,
    "x": types.float32,
}


class Cache(FunctionCache):
    """Numba's, on disk; read without first importing all that Numba compiles with, which takes longer than Numba.

    Numba takes machine code for good as long as the function's own file is the same. But what a function calls, and its
    constants, the width of a panel say, come from other files, and are in its machine code too: here all of the
    kernels' files must be the same.
    """

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = self._cache_file._source_stamp, sources()

    @property
    def folder(self) -> str:
        return self._cache_path  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """One for each function, among those of its folder."""
        return self._cache_file._index_name  # type: ignore[no-any-return]

    def lacks(self, sig: Any, target_context: Any) -> bool:
        """Whether it has no machine code for these arguments; what it has may still be unreadable."""
        return self._index_key(sig, target_context.codegen()) not in self._cache_file._load_index()

    def save_overload(self, sig: Any, data: Any) -> None:
        """In turn, since the index of a function's versions is read, added to and written: no process takes out what
        another put in, nor gives its file the name of the other's."""
        with turn(self.folder, f"index of {self.name}"):
            super().save_overload(sig, data)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # what machine code calls of Numba's
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def cache_of(function: Any) -> Cache | NullCache:
    """Where its machine code is kept: beside its file or in the user's cache, as Numba has it.

    Where neither can be written, nowhere: it is compiled again in each process.
    """
    try:
        return Cache(function)
    except RuntimeError:
        return NullCache()


@contextmanager
def once(
    kept: Cache | NullCache, sig: Any, target_context: Any, lacking: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """The block loads a function, or compiles it; where there is a cache, one process alone compiles, and others, which
    come to it meanwhile, wait and load.

    Args:
        lacking: called before that where the cache lacks it and processes can take turns.
    """
    if isinstance(kept, Cache) and kept.lacks(sig, target_context):
        if are_there(kept.folder):
            lacking()
        with turn(kept.folder, kept.name):
            yield
    else:
        yield


@cache
def sources() -> str:
    """A digest of what the kernels on the CPU are made of."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the block the garbage collector rests: while something is compiled it looks through all that the compiler
    holds, again and again, for a tenth of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class _Inner(CPUDispatcher):
    """A Numba function without the wrappers that Python would call it by: a third of the work of compiling it.

    Numba would compile it again for an argument that is a literal; here a literal is a number like others.
    """

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return super().get_call_template([types.unliteral(a) for a in args], kws)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self.py_func.__name__} is called by compiled code; its Python is in .py_func")


def njit(fastmath: Collection[str] = (), cache: bool = True, inline: bool = False) -> Any:
    """Decorator: a function that kernels call, compiled on first use for the types it is called with.

    With `inline` its code stands in the caller's from the beginning. Of a loop of plain numbers LLVM makes vectors only
    so: from a call an error could come, by which the loop would be left.
    """

    def made(function: Any) -> Any:
        options: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
        if inline:
            options["inline"] = "always"
        options |= {"nopython": True, "fastmath": set(fastmath)}
        inner: Any = _Inner(function, targetoptions=options, pipeline_class=Pipeline)
        if cache:
            inner._cache = cache_of(function)
        return inner

    return made


def routine(kinds: str, fastmath: Collection[str] = ()) -> Any:
    """Decorator: a function without a result, compiled once for all its callers.

    `kinds` are its arguments': f, d and i contiguous arrays of float32, float64 and intp, m a matrix of float32, n an
    intp, x a float32.
    """
    signature = types.void(*(_KINDS[kind] for kind in kinds.split()))

    def made(function: Any) -> Any:
        inner = njit(fastmath)(function)
        name = f"{function.__module__}.{function.__qualname__}"

        @cache
        def load() -> None:
            with once(inner._cache, signature, inner.targetctx):
                load_routines(function)
                inner.compile(signature)
            found = inner.overloads[signature.args]
            llvmlite.binding.add_symbol(name, found.library.get_pointer_to_function(found.fndesc.llvm_func_name))

        def call(typing: Any, *args: Any) -> Any:
            def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                kind = context.call_conv.get_function_type(types.none, sig.args)
                elsewhere = cgutils.get_or_insert_function(builder.module, kind, name)
                context.call_conv.call_function(builder, elsewhere, types.none, sig.args, args)
                return context.get_dummy_value()

            return signature, build

        of_numba = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = [of_numba, *inspect.signature(function).parameters.values()]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called: Any = numba.extending.intrinsic(call)
        called.load_routine, called.py_func = load, function
        return called

    return made


def c_function(
    function: Any, result: Any, count: int, fastmath: Collection[str] = (), lacking: Callable[[], None] = lambda: None
) -> Any:
    """A function of `count` intp, compiled to one of C, which is at its `address`; kept on disk.

    Args:
        lacking: as in `once`.
    """
    options = {"fastmath": set(fastmath), "error_model": "numpy"}
    compiled: Any = CFunc(function, ((types.intp,) * count, result), {}, options, pipeline_class=Pipeline)
    kept = compiled._cache = cache_of(function)
    with uncollected(), once(kept, result(*[types.intp] * count), compiled._targetdescr.target_context, lacking):
        load_routines(function)
        compiled.compile()
    return compiled


def load_routines(function: Any) -> None:
    """Compiles, or reads, the routines that a function calls: they must be there before its own code is."""
    for load in set(_loads(function)):
        load()


def _loads(function: Any) -> Iterator[Callable[[], None]]:
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if hasattr(value, "load_routine"):
            yield value.load_routine
        elif isinstance(value, _Inner):
            yield from _loads(value.py_func)
