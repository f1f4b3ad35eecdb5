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
