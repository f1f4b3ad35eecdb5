"""Nothing silently wrong: an array that changed after it was recorded is found when its gradient is asked for.

The engine itself never writes into a recorded array. Two others can: an optimiser (which calls `written`) and
a user who holds the array itself, through `Tensor.data`, `Tensor.numpy()`, DLPack, or because a NumPy array was
given to an operation (these call `expose`). Only arrays that escaped in one of these ways are watched, by a
checksum of the buffer that they and their views share, so the common path costs one test of an empty table.
"""

import weakref
import zlib
from typing import Any, NamedTuple

import numpy as np

from tinygen.kernels.array_module import xp


class Stamp(NamedTuple):
    """The state of a buffer when an operation recorded it."""

    version: int
    checksum: int | None


class Guard:
    """What is known of one watched buffer."""

    __slots__ = ("first", "reference", "version")

    def __init__(self, reference: Any):
        self.reference = reference
        self.version = 0  # counts writes by the engine
        self.first: int | None = None  # checksum when a user first got hold of it; None while none has


guards: dict[int, Guard] = {}


def buffer_of(array: Any) -> Any:
    """The array that owns the memory `array` looks at."""
    while isinstance(array.base, type(array)):
        array = array.base
    return array


def checksum(buffer: Any) -> int:
    host = buffer if isinstance(buffer, np.ndarray) else xp(buffer).asnumpy(buffer)
    return zlib.crc32(np.ascontiguousarray(host).view(np.uint8).data) if host.size else 0


def _watch(array: Any) -> tuple[Any, Guard]:
    buffer = buffer_of(array)
    key = id(buffer)
    guard = guards.get(key)
    if guard is None:
        guard = guards[key] = Guard(weakref.ref(buffer, lambda _: guards.pop(key, None)))
    return buffer, guard


def expose(array: Any) -> None:
    """A user can write into `array` from now on."""
    buffer, guard = _watch(array)
    if guard.first is None:
        guard.first = checksum(buffer)


def written(array: Any) -> None:
    """The engine has written into `array`: graphs that recorded it are stale."""
    _, guard = _watch(array)
    guard.version += 1


def stamp(array: Any) -> Stamp | None:
    """The state of `array` now, or None while nobody can write into it."""
    buffer = buffer_of(array)
    guard = guards.get(id(buffer))
    if guard is None:
        return None
    return Stamp(guard.version, None if guard.first is None else checksum(buffer))


def unchanged(array: Any, stamp: Stamp | None) -> bool:
    """Whether `array` still is what it was when `stamp` was taken."""
    buffer = buffer_of(array)
    guard = guards.get(id(buffer))
    if guard is None:
        return True
    if guard.version != (stamp.version if stamp else 0):
        return False
    if guard.first is None:
        return True
    # Recorded before anyone could write: it was then what it was at the first exposure.
    expected = stamp.checksum if stamp and stamp.checksum is not None else guard.first
    return checksum(buffer) == expected
