"""Ranks as processes that MPI connects (`mpi4py`): `mpirun -n 4 tinygen train ...`.

A wait is a loop over MPI_Test that goes to sleep: ranks that share cores do not take them from each other while they
wait, as MPI's own waiting does; Ctrl-C is seen; and the first rank hears of one that has failed, for which it would
otherwise wait for ever. What has begun between ranks cannot be called back, so a failure ends in MPI_Abort, after its
message. Held by tests/parallel/.
"""

import contextlib
import fcntl
import os
import stat
import sys
import termios
import time
from array import array
from typing import Any, NoReturn

import numpy as np
from mpi4py import MPI

from tinygen.kernels.capture import CaptureError, capturing
from tinygen.parallel.communicator import Communicator, PeerFailed
from tinygen.parallel.last_words import LastWords

_FAILED = 1  # tag of the notes in which a rank tells the first one why it has failed
_TOGETHER = 1.0  # seconds in which ranks that fail for one reason have all said so
_READ, _PRINTED = 5.0, 0.1  # seconds until mpirun has read a message at the latest, and until it has printed it
_UNHEARD = 15.0  # seconds after which a rank that failed ends the run by itself

_YIELDS, _NAPS = 200, 5000
_NAP, _SLEEP = 20e-6, 1e-3


class Processes(Communicator):
    """All ranks of MPI_COMM_WORLD."""

    def __init__(self) -> None:
        self._all = MPI.COMM_WORLD.Dup()
        self._notes = MPI.COMM_WORLD.Dup()  # apart from the sums, some of which a failure leaves open
        self.rank, self.size = self._all.rank, self._all.size
        self._last_words = LastWords() if self.first else None
        self.gpus: Any = None  # sums of arrays that are not NumPy's, see `nccl.take_gpu`

    def all_reduce(self, array: Any) -> None:
        if isinstance(array, np.ndarray):
            if capturing():
                raise CaptureError("ranks would talk through the host")
            self._wait(self._all.Iallreduce(MPI.IN_PLACE, array), array)
        else:
            self.gpus.all_reduce(array)

    def broadcast(self, array: Any) -> None:
        if isinstance(array, np.ndarray):
            self._wait(self._all.Ibcast(array), array)
        else:
            self.gpus.broadcast(array)

    def barrier(self) -> None:
        self._wait(self._all.Ibarrier())

    def tell(self, value: Any) -> Any:
        self.barrier()  # which sleeps, as `bcast` does not
        return self._all.bcast(value)

    def neighbours(self, value: Any) -> tuple[int, list[Any]]:
        """The values of the ranks on this machine, and this rank's place among them."""
        here = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
        found = here.rank, here.allgather(value)
        here.Free()
        return found

    def everybody(self, value: Any) -> list[Any]:
        """The values of all ranks."""
        return self._all.allgather(value)

    def in_case_of_death(self, message: str) -> None:
        if self._last_words is not None:
            self._last_words.put(message)

    def leave(self) -> None:
        self.barrier()
        if self._last_words is not None:
            self._last_words.dismiss()

    def fail(self, message: str, code: int) -> NoReturn:
        if not self.first:
            self._tell_the_first(message, code)
        else:
            message, code = self._heard(message, code)
        if self._last_words is not None:
            self._last_words.dismiss()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            print(message, file=sys.stderr, flush=True)
        _passed_on(2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI_Abort has a message of its own, which says nothing
        MPI.COMM_WORLD.Abort(code)
        os._exit(code)

    def _tell_the_first(self, message: str, code: int) -> None:
        """Returns if the first rank, which is to end the run, does not."""
        request = self._notes.isend((message, code), 0, _FAILED)
        until = time.monotonic() + _UNHEARD
        while time.monotonic() < until:
            request.Test()
            time.sleep(_SLEEP)

    def _heard(self, message: str, code: int) -> tuple[str, int]:
        """Of the messages of ranks that have failed together, the one that says most: some know only that it failed."""
        messages = [(message, code)]
        until = time.monotonic() + _TOGETHER
        while len(messages) < self.size and time.monotonic() < until:
            if self._notes.iprobe(MPI.ANY_SOURCE, _FAILED):
                messages.append(self._notes.recv(source=MPI.ANY_SOURCE, tag=_FAILED))
            time.sleep(_SLEEP)
        return max(messages, key=lambda pair: len(pair[0]))

    def _wait(self, request: Any, array: Any = None) -> None:
        self._under_way = array  # MPI may write into it until the process ends, also where this raises
        waited = 0
        while not request.Test():
            waited += 1
            if waited < _YIELDS:
                os.sched_yield()
                continue
            if self.first and self._notes.iprobe(MPI.ANY_SOURCE, _FAILED):
                raise PeerFailed(*self._notes.recv(source=MPI.ANY_SOURCE, tag=_FAILED))
            time.sleep(_NAP if waited < _NAPS else _SLEEP)


def _passed_on(stream: int) -> None:
    """Waits until mpirun has read what was printed: when it is told to end the run it reads no more."""
    until = time.monotonic() + _READ
    unread = array("i", [1])
    while stat.S_ISFIFO(os.fstat(stream).st_mode) and unread[0] and time.monotonic() < until:
        with contextlib.suppress(OSError):
            fcntl.ioctl(stream, termios.FIONREAD, unread)
        time.sleep(_SLEEP)
    time.sleep(_PRINTED)


def library() -> str:
    """The MPI that mpi4py found, in a word or two."""
    return MPI.Get_library_version().split("\n")[0].replace("Version:", "").strip(" \0,")[:60]
