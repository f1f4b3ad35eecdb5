"""Nothing silently wrong: an array that changed after it was recorded is found when its gradient is asked for.

The engine itself never writes into a recorded array. Two others can:

- code of the project that updates in place, such as an optimiser. It calls `written`, which notes the time on the
  tape's own clock: a node that is older than the last write to what it retained is stale;
- a user who holds the array itself. It is lent to them through `Tensor.data`, `Tensor.numpy()` and DLPack (`lend`), and
  comes back when the last view of it is gone; or it is theirs, a NumPy array that was given to an operation (`expose`).
  As long as they hold it, nodes that retain it note a checksum.

So recording costs one test of an empty table while nobody outside holds an array, and a node is looked at again only
if it noted a checksum, or if something was written or exposed after it (`horizon`).

Held by tests/autodiff/test_mutation.py.
"""

import sys
import weakref
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygen.autodiff.tape import now
from tinygen.kernels.array_module import xp
from tinygen.kernels.capture import capturing, recording


class Exposure:
    """What was known of a buffer when a user first held it: the time and the checksum; and on how many loans it is,
    not counting that it may be theirs altogether (`lasting`)."""

    __slots__ = ("checksum", "lasting", "loans", "time")

    def __init__(self, checksum: int) -> None:
        self.time = now()
        self.checksum = checksum
        self.loans: set[int] = set()
        self.lasting = False


_Table = dict[int, tuple[Any, Any]]  # id of a buffer -> a weak reference to it, what is known of it
exposed: _Table = {}  # ... its Exposure
_written: _Table = {}  # ... the time of the last write
_altered: _Table = {}  # ... the Exposures that have ended, during which it changed, the oldest first
REMEMBERED = 8  # of these
horizon = -1  # the last time that anything was written or exposed


def buffer_of(array: Any) -> Any:
    """The array that owns the memory `array` looks at."""
    kind = np.ndarray if isinstance(array, np.ndarray) else type(array)
    while True:
        base = array.base
        if isinstance(base, kind):
            array = base
        elif type(base) is _Loan:
            array = base.lent
        else:
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


def _enter(table: _Table, buffer: Any, value: Any) -> None:
    key = id(buffer)
    held = table.get(key)  # of this very buffer: it is taken out with it
    table[key] = (weakref.ref(buffer, lambda _: table.pop(key, None)) if held is None else held[0], value)


# -- who else writes -----------------------------------------------------------------------------------------


def _exposure(array: Any, loan: "_Loan | None" = None) -> Exposure:
    """That of the memory of `array`, from now on at the latest, with `loan` among its loans.

    The collector may end other loans between any two lines, and with the last of them the exposure: it counts if it is
    still there once it has the new one.
    """
    global horizon
    buffer, lasting = buffer_of(array), loan is None and not _is_lent(array)
    while True:
        if (entry := exposed.get(id(buffer))) is None:
            _enter(exposed, buffer, Exposure(checksum(buffer)))
            continue
        found = entry[1]
        horizon = max(horizon, found.time)
        if loan is not None:
            found.loans.add(id(loan))
        found.lasting = found.lasting or lasting
        if exposed.get(id(buffer)) is entry:
            return found


def expose(array: Any) -> None:
    """A user can write into `array` for as long as it lives; not within a captured step, whose arrays nobody has."""
    if not capturing():
        _exposure(array)


class _Loan:
    """What every view of a lent array holds, since NumPy lets a view hold the first on its way that is no array. It
    goes with the last of them."""

    __slots__ = ("__array_interface__", "exposure", "lent")

    def __init__(self, array: np.ndarray) -> None:
        self.lent = array
        self.__array_interface__ = array.__array_interface__
        self.exposure = _exposure(array, self)

    def __del__(self, at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
        if at_exit():
            return
        self.exposure.loans.discard(id(self))
        if not self.exposure.loans and not self.exposure.lasting:
            _returned(buffer_of(self.lent), self.exposure)


def _is_lent(array: Any) -> bool:
    """Whether `array` is a view that `lend` gave, or one of it."""
    while type(array) is np.ndarray:
        array = array.base
    return type(array) is _Loan


def lend(array: Any) -> Any:
    """A view of `array` for a user to hold, and to write into until it and its own views are gone."""
    if not isinstance(array, np.ndarray) or capturing():
        expose(array)
        return array
    view = np.asarray(_Loan(array))
    return view if view.dtype == array.dtype else view.view(array.dtype)  # the interface knows no bfloat16


def _returned(buffer: Any, exposure: Exposure) -> None:
    """Nobody outside holds `buffer` any more. What changed meanwhile is remembered for nodes from before."""
    entry = exposed.pop(id(buffer), None)
    if entry is not None and (entry[1] is not exposure or exposure.loans or exposure.lasting):
        exposed[id(buffer)] = entry  # another thread has lent it meanwhile
        return
    if checksum(buffer) == exposure.checksum:
        return
    past = [*_altered.get(id(buffer), (None, ()))[1], exposure]
    if len(past) > REMEMBERED:  # nodes older than that are stale, whatever it holds now
        _enter(_written, buffer, max(past.pop(0).time, _written.get(id(buffer), (None, -1))[1]))
    _enter(_altered, buffer, past)


def written(*arrays: Any) -> None:
    """The project has written into `arrays`: graphs that recorded one are stale."""
    global horizon
    if (graph := recording()) is not None:
        graph.written += arrays  # each replay writes
    horizon = now()
    for array in arrays:
        _enter(_written, buffer_of(array), horizon)


def shared(buffer: Any) -> bool:
    """Whether somebody outside, or an optimiser, writes into the memory that `buffer` owns."""
    key = id(buffer)
    return key in exposed or key in _written


# -- whether it did ------------------------------------------------------------------------------------------


def stamps(arrays: Iterable[Any]) -> dict[int, int] | None:
    """The checksums, by id, of those of `arrays` that a user holds; None where there are none, and while a step is
    captured and no value is known."""
    if capturing():
        return None
    return {id(a): checksum(a) for a in arrays if id(a if a.base is None else buffer_of(a)) in exposed} or None


def changed(array: Any, time: int, stamp: int | None) -> bool:
    """Whether `array` is not what it was when a node recorded it, at `time` and with `stamp`."""
    buffer = buffer_of(array)
    key = id(buffer)
    write = _written.get(key)
    if write is not None and time < write[1]:
        return True
    if stamp is not None:
        return checksum(array) != stamp
    if capturing() or not (key in exposed or key in _altered):
        return False
    # Recorded before any user held it: it was then what it was when it was next exposed.
    exposures = [*_altered.get(key, (None, ()))[1], *([exposed[key][1]] if key in exposed else [])]
    later = next((e for e in exposures if time < e.time), None)
    return later is not None and checksum(buffer) != later.checksum
