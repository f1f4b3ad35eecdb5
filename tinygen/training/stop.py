"""Ctrl-C, and SIGTERM alike: the first asks the run to finish its step and save, the second stops it at once.

An orderly stop is what the user asked for, so its exit code is 0; the last line printed says that the run
is not finished and how to go on. The second signal raises KeyboardInterrupt, and the exit code is 1.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class StoppedDrawing(BaseException):
    """A stop was asked for during work that can be left out."""


class Stop:
    """Whether a stop has been asked for."""

    def __init__(self) -> None:
        self.requested = False
        self._leave_at_once = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if self._leave_at_once:
            self._leave_at_once = False
            raise StoppedDrawing

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Within the block SIGINT and SIGTERM set `requested`; a second one raises KeyboardInterrupt.

        Outside the main thread, where Python takes no signals, it does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def optional(self, work: Callable[[], T]) -> T | None:
        """`work()`, or None: work whose result can be missed is left at once when a stop is asked for."""
        if self.requested:
            return None
        try:
            try:
                self._leave_at_once = True
                return work()
            finally:
                self._leave_at_once = False
        except StoppedDrawing:
            return None
