"""What the ranks of a run say to each other, and the communicator of a process that is alone.

`rank` counts from 0 among `size`; rank 0 is the first, and keeps the run's records. Every method but `fail` is called
by all ranks, in the same order.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np

T = TypeVar("T")


class PeerFailed(RuntimeError):
    """Another rank has failed; its message, and the exit code that goes with it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Communicator(ABC):
    """Ranks that work together."""

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this is the rank that keeps the records."""
        return self.rank == 0

    @abstractmethod
    def all_reduce(self, array: Any) -> None:
        """The sum over all ranks in place of `array`, contiguous, with the same bits on all."""

    @abstractmethod
    def broadcast(self, array: Any) -> None:
        """The first rank's in place of `array`, contiguous."""

    @abstractmethod
    def barrier(self) -> None:
        """Returns when all ranks have come here."""

    @abstractmethod
    def tell(self, value: Any) -> Any:
        """The first rank's `value`, any object that can be pickled."""

    @abstractmethod
    def fail(self, message: str, code: int) -> NoReturn:
        """Ends the run on all ranks with that exit code; the message is printed once. One rank is enough to call it."""

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on some rank."""
        if self.size == 1:
            return flag
        count = np.array([float(flag)])
        self.all_reduce(count)
        return bool(count[0])

    def led(self, work: Callable[[], T]) -> T:
        """What `work` gives on the first rank, which alone does it; what it raises is raised on all."""
        if self.size == 1:
            return work()
        result, error = None, None
        if self.first:
            try:
                result = work()
            except Exception as found:
                error = found
        result, error = self.tell((result, error))
        if error is not None:
            raise error
        return result

    def in_turn(self, work: Callable[[], T]) -> T:
        """`work()` on every rank, the first ahead of the others: it fetches what they then find."""
        if not self.first:
            self.barrier()
        result = work()
        if self.first:
            self.barrier()
        return result

    def in_case_of_death(self, message: str) -> None:
        """What is to be printed if a rank is killed from now on."""
        return

    def leave(self) -> None:
        """The orderly end: returns when all ranks have come here."""
        return


class Alone(Communicator):
    """One process: there is nobody to talk to."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def all_reduce(self, array: Any) -> None:
        return

    def broadcast(self, array: Any) -> None:
        return

    def barrier(self) -> None:
        return

    def tell(self, value: Any) -> Any:
        return value

    def fail(self, message: str, code: int) -> NoReturn:
        print(message, file=sys.stderr, flush=True)
        sys.exit(code)


class Echo(Alone):
    """As if all ranks had what this one has: so a rank can take its part of a step again without the others."""

    def all_reduce(self, array: Any) -> None:
        array *= self.size
