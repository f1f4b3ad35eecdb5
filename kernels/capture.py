"""What kernels must know of CUDA graphs: whether launches are being recorded, and how numbers of the host get in.

A CUDA graph is a sequence of launches that is recorded once and then run again as a whole, without Python. While it is
recorded nothing runs: no value can be read, and what the host computes is computed for good. So there are two doors
from the host into a graph:

    constant(table)      numbers that never change: copied at once, beside the recording, and kept as long as the graph
    each_time(decide)    numbers that the host decides anew for each run: a learning rate, a count of steps, a place in
                         a random stream. `decide` also moves on what the host keeps, such as the count.

Outside a recording both only copy. `tinygen.capture` records and runs; held by tests/cuda/test_capture.py.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .cuda.launch import cupy

Array = Any
Decide = Callable[[], np.ndarray]

ROOM = 16384  # bytes for the decisions of one graph
_ALIGNED = 16


class CaptureError(RuntimeError):
    """A step does what a CUDA graph cannot hold."""


class Recording:
    """What one graph takes from the host. Made while nothing is recorded yet.

    Attributes:
        kept: arrays that the graph reads and that must live as long as it does.
        written: arrays that it writes and that somebody else may hold.
    """

    def __init__(self) -> None:
        device = cupy()
        self.kept: list[Any] = []
        self.written: list[Any] = []
        self._aside = device.cuda.Stream(non_blocking=True)
        self._on_device = device.zeros(ROOM, np.uint8)
        self._on_host = np.zeros(ROOM, np.uint8)
        self._used = 0
        self._decisions: list[tuple[Decide, np.ndarray]] = []

    def constant(self, table: np.ndarray) -> Array:
        with self._aside:
            copy = cupy().empty(table.shape, table.dtype)
            copy.set(np.asarray(table, order="C"), stream=self._aside)
            self._aside.synchronize()
        self.kept.append(copy)
        return copy

    def each_time(self, decide: Decide, shape: tuple[int, ...], dtype: Any) -> Array:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        place = slice(self._used, self._used + size)
        self._used += -(-size // _ALIGNED) * _ALIGNED
        if self._used > ROOM:
            raise CaptureError(f"the host decides more than {ROOM} bytes for each run of this step")
        self._decisions.append((decide, self._on_host[place].view(dtype).reshape(shape)))
        return self._on_device[place].view(dtype).reshape(shape)

    def decide(self) -> None:
        """All decisions, in the order in which they were recorded, for the next run on the current stream."""
        for decide, place in self._decisions:
            place[...] = decide()
        if self._used:
            stream = cupy().cuda.get_current_stream()
            self._on_device[: self._used].set(self._on_host[: self._used].copy(), stream=stream)


class _State(threading.local):
    recording: Recording | None = None


_state = _State()


@contextmanager
def recorded(into: Recording) -> Iterator[None]:
    """Within the block launches of this thread are recorded, not run."""
    before, _state.recording = _state.recording, into
    try:
        yield
    finally:
        _state.recording = before


def recording() -> Recording | None:
    """What this thread records into, if it does."""
    return _state.recording


def capturing() -> bool:
    """Whether launches are being recorded: then no value of an array is known, and checks of values give way.

    They give way to one: a step that meets NaN or infinity leaves the weights as they are, and is taken again outside
    the graph, with every check, to name the cause.
    """
    return _state.recording is not None


def constant(table: np.ndarray) -> Array:
    """`table` on the device, for reading only."""
    recording = _state.recording
    return cupy().asarray(table) if recording is None else recording.constant(table)


def each_time(decide: Decide, shape: tuple[int, ...], dtype: Any) -> Array:
    """What `decide` gives, an array of `shape` and `dtype`, on the device: now, and anew at each run of a graph."""
    recording = _state.recording
    if recording is not None:
        return recording.each_time(decide, shape, dtype)
    return cupy().asarray(np.asarray(decide(), dtype).reshape(shape))
