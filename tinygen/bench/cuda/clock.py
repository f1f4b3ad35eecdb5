"""How work on a device is timed: between two marks in the device's own queue, by the device's clock.

A kernel is recorded as a CUDA graph of several calls and the graph is run, so that what counts is the device's time and
not that of Python, in both libraries. A training step is run as its library runs it: step after step, whatever holds
the device up. A reading is the mean over as many runs as take a millisecond or more; before a graph's first mark the
graph runs once, so that the device never waits for the host in between.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

LEAST = 3
"""Readings of a sample, however long they take."""
READING = 1e-3
"""Seconds that a reading takes at least: a mark is exact to half a microsecond."""
CALLS = 8
"""Calls in one graph: starting a graph takes some microseconds."""
MOST = 1000
"""Runs of a reading at most."""


class Refused(RuntimeError):
    """Work that a graph cannot hold."""


class Queue(Protocol):
    """A device's queue of work, as a library gives it."""

    def current(self) -> AbstractContextManager[Any]:
        """Within the block work goes into this queue."""
        ...

    def capture(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """`work` recorded, as a function that runs it again. Raises Refused where it cannot be."""
        ...

    def mark(self) -> Any:
        """A mark behind all that was started so far."""
        ...

    def between(self, start: Any, end: Any) -> float:
        """Seconds from one mark to the other; waits for it."""
        ...


class Clock:
    """Samples of runs on one device."""

    def __init__(self, queue: Queue, now: Callable[[], float] = time.perf_counter) -> None:
        self.queue, self.now = queue, now
        self._of: Any = None
        self._ready: tuple[Callable[[], Any], int] = (lambda: None, 1)

    def sample(self, run: Any, seconds: float) -> dict[str, Any]:
        """Readings for so many seconds, in seconds a run; and whether they are of a graph."""
        with self.queue.current():
            work, calls = self._prepared(run)
            once = self._reading(work, 1, calls > 1)
            count = min(MOST, max(1, math.ceil(READING / max(once, READING / MOST))))
            end = self.now() + seconds
            times: list[float] = []
            while len(times) < LEAST or self.now() < end:
                times.append(self._reading(work, count, calls > 1) / (count * calls))
        return {"times": times, "cpu_seconds": 0.0, "graph": calls > 1}

    def _reading(self, work: Callable[[], Any], count: int, ahead: bool) -> float:
        if ahead:
            work()
        start = self.queue.mark()
        for _ in range(count):
            work()
        return self.queue.between(start, self.queue.mark())

    def _prepared(self, run: Any) -> tuple[Callable[[], Any], int]:
        """What is run, and how many calls of the run that is: a graph of it where it asks for one and can have it."""
        if run is not self._of:
            self._of, self._ready = run, (run, 1)
            if getattr(run, "as_graph", False):
                with suppress(Refused):
                    self._ready = self.queue.capture(lambda: [run() for _ in range(CALLS)]), CALLS
            self._reading(self._ready[0], 1, False)
        return self._ready
