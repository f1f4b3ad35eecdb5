"""Which array module an array belongs to: the array in hand decides, never a global switch."""

import contextvars
import functools
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np


def xp(array: Any) -> Any:
    """NumPy, or CuPy when `array` lives on a CUDA device."""
    if type(array) is np.ndarray:
        return np
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    return np


def in_memory(x: Any) -> list[int]:
    """The axes of x from the one with the greatest steps in memory to the one with the least."""
    return sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))


def single(value: float) -> np.ndarray:
    """A number as an array of no axes, of float32, which NumPy takes sooner; for reading only."""
    return _kept(value, math.copysign(1.0, value))


@functools.lru_cache(maxsize=256)
def _kept(value: float, sign: float) -> np.ndarray:
    """`sign` tells the two zeros apart, which are equal."""
    return np.array(value, np.float32)


def laid_out_like(a: Any, like: Any) -> Any:
    """a, of the shape of `like`, which is dense; copied where its entries lie in another order in memory."""
    if a.flags.c_contiguous and like.flags.c_contiguous:  # nearly always
        return a
    if a.strides == tuple([s // like.itemsize * a.itemsize for s in like.strides]):
        return a
    copy = xp(a).empty_like(like, dtype=a.dtype)
    copy[...] = a
    return copy


def bfloat16() -> np.dtype:
    """The dtype bfloat16, which NumPy has from the package ml_dtypes; from here on by its name too."""
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)


def is_bfloat16(dtype: np.dtype) -> bool:
    return dtype.char == "E"  # its letter in ml_dtypes; NumPy has none of its own that is called so


@functools.cache
def arithmetic(dtype: Any) -> np.dtype:
    """What arrays of `dtype` are computed in, and what their statistics and weights are: float32 for bfloat16."""
    return np.dtype(np.float32) if is_bfloat16(np.dtype(dtype)) else np.dtype(dtype)


def rounded_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """For bfloat16 in the first array: all of it in float32, and the result rounded to bfloat16 at the end."""

    def widened(value: Any) -> Any:
        return value.astype(np.float32) if hasattr(value, "dtype") and is_bfloat16(value.dtype) else value

    @functools.wraps(function)
    def of_any_dtype(first: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_bfloat16(first.dtype):
            return function(first, *args, **kwargs)
        result = function(widened(first), *map(widened, args), **{k: widened(v) for k, v in kwargs.items()})
        return result.astype(first.dtype)

    return of_any_dtype


def _error_state() -> tuple[contextvars.ContextVar[Any], Any]:
    """The context variable in which NumPy keeps what it does about poles, and its value for "nothing": found by what
    `np.seterr` changes. Set by itself it costs a tenth of `np.errstate`, as much as a tiny operation."""
    context = contextvars.copy_context()
    context.run(np.seterr, all="ignore")
    before = contextvars.copy_context()
    (variable,) = (v for v in context if v not in before or context[v] is not before[v])
    return variable, context[variable]


_error, _IGNORED = _error_state()
_set, _reset = _error.set, _error.reset


def run_quietly() -> Callable[..., Any]:
    """`run(f, *args)` is f(*args) without warnings of poles: in a context of its own, which takes a third of the time
    of setting the variable and setting it back. Not to be entered twice, by two threads or from within."""
    context = contextvars.Context()
    context.run(_set, _IGNORED)
    return context.run


class quietly:
    """As `quiet`, for a block in which many operations run."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = _set(_IGNORED)

    def __exit__(self, *error: Any) -> None:
        _reset(self._before)


def quiet(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Poles give infinities and NaN, as documented, not warnings."""

    @functools.wraps(forward)
    def silent(*args: Any) -> Any:
        before = _set(_IGNORED)
        try:
            return forward(*args)
        finally:
            _reset(before)

    silent.loud = forward  # type: ignore[attr-defined]
    return silent
