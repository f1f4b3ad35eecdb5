"""Nothing silently wrong: an array that changed after it was recorded is found when its gradient is asked for.

The engine itself never writes into a recorded array. Two others can:

- code of the project that updates in place, such as an optimiser. It calls `written`, which notes the time on the
  tape's own clock: a node that is older than the last write to what it retained is stale;
- a user who holds the array itself, through `Tensor.data`, `Tensor.numpy()`, DLPack, or because a NumPy array was
  given to an operation. These call `expose`; from then on nodes that retain it note a checksum.

So recording costs one test of an empty table while nobody outside holds an array.
"""

import weakref
import zlib
from typing import Any

import numpy as np

from tinygen.autodiff.tape import now
from tinygen.kernels.array_module import xp
from tinygen.kernels.capture import capturing, recording

exposed: dict[int, tuple[Any, int]] = {}  # id of a buffer -> weak reference, checksum when it was first exposed
_written: dict[int, tuple[Any, int]] = {}  # id of a buffer -> weak reference, time of the last write
last_write = -1


def buffer_of(array: Any) -> Any:
    """The array that owns the memory `array` looks at."""
    kind = np.ndarray if isinstance(array, np.ndarray) else type(array)
    while isinstance(array.base, kind):
        array = array.base
    return array


_ROW = 1021  # words; prime, so that entries trading places within an array do not meet in one column


def checksum(array: Any) -> int:
    """CRC-32 of the bytes; of more than a few rows of words it is that of their exclusive or, at memory speed."""
    host = array if isinstance(array, np.ndarray) else xp(array).asnumpy(array)
    if not host.size:
        return 0
    octets = np.ascontiguousarray(host).reshape(-1).view(np.uint8)
    folded = len(octets) // (8 * _ROW)
    if folded < 8:
        return zlib.crc32(octets.data)
    words = octets[: 8 * _ROW * folded].view(np.uint64).reshape(folded, _ROW)
    return zlib.crc32(octets[8 * _ROW * folded :].data, zlib.crc32(np.bitwise_xor.reduce(words, axis=0).data))


def _enter(table: dict[int, tuple[Any, int]], buffer: Any, value: int) -> None:
    key = id(buffer)
    table[key] = (weakref.ref(buffer, lambda _: table.pop(key, None)), value)


def expose(array: Any) -> None:
    """A user can write into `array` from now on; not within a captured step, whose arrays nobody else has."""
    if capturing():
        return
    buffer = buffer_of(array)
    if id(buffer) not in exposed:
        _enter(exposed, buffer, checksum(buffer))


def written(array: Any) -> None:
    """The project has written into `array`: graphs that recorded it are stale."""
    global last_write
    if (graph := recording()) is not None:
        graph.written.append(array)  # each replay writes
    last_write = now()
    _enter(_written, buffer_of(array), last_write)


def shared(buffer: Any) -> bool:
    """Whether somebody outside, or an optimiser, writes into the memory that `buffer` owns."""
    key = id(buffer)
    return key in exposed or key in _written


def stamp(array: Any) -> int | None:
    """The checksum of `array` now; None while no user holds it, and while a step is captured and no value is known."""
    return checksum(array) if id(buffer_of(array)) in exposed and not capturing() else None


def changed(array: Any, time: int, stamp: int | None) -> bool:
    """Whether `array` is not what it was when a node recorded it, at `time` and with `stamp`."""
    buffer = buffer_of(array)
    write = _written.get(id(buffer))
    if write is not None and time < write[1]:
        return True
    if stamp is not None:
        return checksum(array) != stamp
    if capturing():
        return False
    # Recorded before any user held it: it was then what it was when it was first exposed.
    first = exposed.get(id(buffer))
    return first is not None and checksum(buffer) != first[1]
