"""Streams, graphs and memory pools of the simulated device: what `cupy.cuda` does with them, and what goes wrong.

A stream that is capturing records each operation and runs none: new memory holds NaN until a replay. Found out are

    a value that is read, or an array of the host that is copied, while the stream is capturing;
    memory taken from the shared pool while capturing: it would be given to others when it is free again;
    a graph whose own pool is gone (its memory is NaN then), or that uses memory which has been freed since.

Held by test_simulated_cupy.py.
"""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from simulator.module import Fault


class CUDARuntimeError(RuntimeError):
    """CuPy's error of that name."""


class Graph:
    """What was recorded: operations, and the memory each of them uses that lies outside the graph's own pool."""

    def __init__(self) -> None:
        self.nodes: list[tuple[Callable[[], Any], list[weakref.ref[Any]]]] = []
        self.own: set[int] = set()

    def add(self, run: Callable[[], Any], used: Sequence[Any]) -> None:
        owners = [array if array.base is None else array.base for array in used]
        self.nodes.append((run, [weakref.ref(owner) for owner in owners if id(owner) not in self.own]))

    def launch(self, stream: Any = None) -> None:
        if SESSION.stream.is_capturing():
            raise Fault("a graph is launched while another is captured")
        for run, used in self.nodes:
            if any(reference() is None for reference in used):
                raise Fault("a graph uses memory that has been freed since it was recorded")
            with np.errstate(all="ignore"):
                run()


class Stream:
    """`cupy.cuda.Stream`; `Stream.null` is the default one."""

    null: "Stream"

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.graph: Graph | None = None

    def __enter__(self) -> "Stream":
        SESSION.streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        SESSION.streams.pop()

    def begin_capture(self, mode: Any = None) -> None:
        if self is Stream.null:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: the null stream cannot be captured")
        self.graph = Graph()

    def end_capture(self) -> Graph:
        if self.graph is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is not capturing")
        graph, self.graph = self.graph, None
        return graph

    def is_capturing(self) -> bool:
        return self.graph is not None

    def synchronize(self) -> None:
        if self.is_capturing():
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted when capturing")

    def run(self, operation: Callable[[], Any], used: Any) -> None:
        """An operation that writes into memory that is there: now, or in the replays."""
        from simulator.cupy.arrays import operands

        with np.errstate(all="ignore"):
            operation() if self.graph is None else self.graph.add(operation, operands(used))

    def fill(self, made: Any, result: np.ndarray, again: Callable[[], Any], used: Sequence[Any]) -> None:
        """New memory, whose values are `result`: now, or in the replays what `again` gives."""
        if self.graph is None:
            return
        made._host = poisoned(np.array(result))
        self.graph.own.add(id(made))

        def write(target: np.ndarray = made._host) -> None:
            target[...] = again()

        self.graph.add(write, used)
        SESSION.alive.append(made)


Stream.null = Stream()


class MemoryPool:
    """`cupy.cuda.MemoryPool`: when it goes, what was taken from it is anybody's."""

    def __init__(self) -> None:
        blocks: list[np.ndarray] = []
        self._blocks = blocks
        weakref.finalize(self, lambda: [poisoned(block) for block in blocks])

    def malloc(self, size: int) -> Any:
        raise Fault("the simulated pool lends no bare memory")

    def lend(self, block: np.ndarray) -> None:
        self._blocks.append(block)


@contextmanager
def using_allocator(malloc: Callable[[int], Any]) -> Iterator[None]:
    """`cupy.cuda.using_allocator`, of a pool's `malloc`."""
    SESSION.pools.append(malloc.__self__)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        SESSION.pools.pop()


class Session:
    """The state of the simulated device."""

    def __init__(self) -> None:
        self.streams: list[Stream] = [Stream.null]
        self.pools: list[MemoryPool] = []
        self.reads = self.uploads = self.given_back = 0
        self.launched: set[str] = set()
        self.pinned: Callable[[int], Any] | None = None
        self.alive: list[Any] = []  # what a graph holds: on a card it is the memory of its pool
        self.device = type("Device", (), {"id": 0})()

    @property
    def stream(self) -> Stream:
        return self.streams[-1]

    def read(self) -> None:
        """A value comes to the host, which waits for it."""
        self.stream.synchronize()
        self.reads += 1

    def upload(self, stream: Stream | None = None, pinned: bool = True) -> None:
        """An array of the host goes to the device, maybe by way of pinned memory that is soon used for others."""
        if pinned and self.pinned is not None:
            self.pinned(0)
        if (stream or self.stream).is_capturing():
            raise Fault("a graph would copy from memory of the host that is another's by then")
        self.uploads += 1

    def allocate(self, made: Any) -> Any:
        """`made`, memory of the device, entered in the pool it is taken from."""
        if self.stream.is_capturing() and not self.pools:
            raise Fault("memory is taken from the shared pool during capture")
        if self.pools:
            self.pools[-1].lend(made._host)
        return made


def poisoned(array: np.ndarray) -> np.ndarray:
    """The array with each byte 255: NaN of either size, -1 of the integers; booleans true."""
    array[...] = np.frombuffer(b"\xff" * array.itemsize, array.dtype) if array.dtype != bool else True
    return array


SESSION = Session()
