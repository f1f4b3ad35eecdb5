"""Which array module an array belongs to: the array in hand decides, never a global switch."""

import contextlib
import contextvars
import functools
import sys
import threading
from collections.abc import Callable, Iterator
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


_is_quiet = contextvars.ContextVar("is_quiet", default=False)


class _Quiet(threading.local):
    """A context of this thread in which NumPy warns of nothing: its error state is a context variable."""

    def __init__(self) -> None:
        self.run = contextvars.copy_context().run
        self.run(np.seterr, all="ignore")
        self.run(_is_quiet.set, True)


_quiet = _Quiet()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """As `quiet`, for a block in which many operations run."""
    with np.errstate(all="ignore"):
        before = _is_quiet.set(True)
        try:
            yield
        finally:
            _is_quiet.reset(before)


def quiet(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Poles give infinities and NaN, as documented, not warnings. (`np.errstate` takes five times as long.)"""

    @functools.wraps(forward)
    def silent(*args: Any) -> Any:
        return forward(*args) if _is_quiet.get() else _quiet.run(forward, *args)

    return silent
