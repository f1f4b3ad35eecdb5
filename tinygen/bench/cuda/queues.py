"""The queues of CuPy and of PyTorch: streams, events and graphs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tinygen.bench.cuda.clock import Refused
from tinygen.kernels import capture
from tinygen.kernels.cuda.launch import cupy


class OfCupy:
    """A stream of CuPy. What a graph allocates comes from a pool of its own, which lives as long as the graph.

    The stream waits for no other by itself: a capture would end where the default stream had to do with it. So what
    was started before is waited for here.
    """

    def __init__(self) -> None:
        self.stream = cupy().cuda.Stream(non_blocking=True)

    def current(self) -> AbstractContextManager[Any]:
        cupy().cuda.get_current_stream().synchronize()
        return self.stream

    def capture(self, work: Callable[[], Any]) -> Callable[[], Any]:
        device = cupy()
        pool, recording = device.cuda.MemoryPool(), capture.Recording()
        device.cuda.get_current_stream().synchronize()
        with self.stream, device.cuda.using_allocator(pool.malloc):
            work()  # the pool has then what the graph will ask for
            self.stream.synchronize()
            self.stream.begin_capture()
            try:
                with capture.recorded(recording):
                    held = work()
            except Exception as error:
                self._abandon()
                raise Refused(str(error)) from error
            graph = self.stream.end_capture()

        def run() -> Any:
            recording.decide()
            graph.launch(self.stream)
            return held, pool

        return run

    def _abandon(self) -> None:
        """Ends a capture that failed, which the stream may have ended itself."""
        try:
            self.stream.end_capture()
        except Exception:
            self.stream = cupy().cuda.Stream(non_blocking=True)

    def mark(self) -> Any:
        event = cupy().cuda.Event()
        event.record(cupy().cuda.get_current_stream())
        return event

    def between(self, start: Any, end: Any) -> float:
        end.synchronize()
        return 1e-3 * cupy().cuda.get_elapsed_time(start, end)


class OfTorch:
    """A stream of PyTorch, on which everything is done from the start: gradients run where their forward pass ran."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.stream = torch.cuda.Stream()
        torch.cuda.set_stream(self.stream)

    def current(self) -> AbstractContextManager[Any]:
        return self.torch.cuda.stream(self.stream)

    def capture(self, work: Callable[[], Any]) -> Callable[[], Any]:
        work()
        self.stream.synchronize()
        graph = self.torch.cuda.CUDAGraph()
        try:
            with self.torch.cuda.graph(graph, stream=self.stream):
                held = work()
        except RuntimeError as error:
            raise Refused(str(error)) from error

        def run() -> Any:
            graph.replay()
            return held

        return run

    def mark(self) -> Any:
        event = self.torch.cuda.Event(enable_timing=True)
        event.record(self.torch.cuda.current_stream())
        return event

    def between(self, start: Any, end: Any) -> float:
        end.synchronize()
        return 1e-3 * start.elapsed_time(end)
