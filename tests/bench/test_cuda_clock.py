"""The clock of a device: a graph shows the device's time alone, steps one by one also what holds the device up."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from tinygen.bench.cuda.clock import CALLS, LEAST, MOST, READING, Clock, Refused

MICROSECOND = 1e-6
EVENT = 0.5 * MICROSECOND


class Device:
    """A simulated device: launches cost the host time, then wait in a queue for the device; so do graphs."""

    def __init__(self, takes_graphs: bool = True) -> None:
        self.host = self.free_at = 0.0
        self.recorded: list[float] | None = None
        self.takes_graphs = takes_graphs
        self.launches = self.captures = 0

    def launch(self, on_host: float, on_device: float) -> None:
        self.launches += 1
        if self.recorded is not None:
            self.recorded.append(on_device)
            return
        self.host += on_host
        self.free_at = max(self.free_at, self.host) + on_device

    # -- the queue that the clock sees

    def current(self) -> Any:
        return nullcontext()

    def capture(self, work: Callable[[], Any]) -> Callable[[], Any]:
        if not self.takes_graphs:
            raise Refused("no graphs here")
        self.captures += 1
        self.recorded = []
        work()
        recorded, self.recorded = self.recorded, None

        def run() -> None:
            self.launches += 1
            self.host += 3 * MICROSECOND
            self.free_at = max(self.free_at, self.host) + sum(recorded)

        return run

    def mark(self) -> float:
        return max(self.free_at, self.host)

    def between(self, start: float, end: float) -> float:
        self.host = max(self.host, end)
        return round((end - start) / EVENT) * EVENT


class Run:
    def __init__(self, device: Device, on_host: float, on_device: float, as_graph: bool) -> None:
        self.device, self.costs, self.as_graph = device, (on_host, on_device), as_graph

    def __call__(self) -> None:
        self.device.launch(*self.costs)


def sampled(device: Device, run: Any, seconds: float = 0.0) -> dict[str, Any]:
    return Clock(device, now=lambda: device.host).sample(run, seconds)


def test_a_kernel_shows_the_time_of_the_device_and_not_of_python() -> None:
    device = Device()
    found = sampled(device, Run(device, 20 * MICROSECOND, 4 * MICROSECOND, as_graph=True))
    assert found["graph"]
    assert found["times"] == pytest.approx([4 * MICROSECOND] * LEAST, rel=0.02)


def test_a_step_run_by_itself_shows_what_holds_the_device_up() -> None:
    device = Device()
    found = sampled(device, Run(device, 20 * MICROSECOND, 4 * MICROSECOND, as_graph=False))
    assert not found["graph"]
    assert found["times"] == pytest.approx([20 * MICROSECOND] * LEAST, rel=0.02)


def test_a_kernel_that_no_graph_can_hold_is_timed_call_by_call() -> None:
    device = Device(takes_graphs=False)
    found = sampled(device, Run(device, 20 * MICROSECOND, 4 * MICROSECOND, as_graph=True))
    assert not found["graph"]
    assert found["times"] == pytest.approx([20 * MICROSECOND] * LEAST, rel=0.02)


def test_a_reading_is_long_enough_for_its_marks() -> None:
    """One graph of eight calls of 1.3 us would be read as 10.5 or 11 us; a millisecond of them to half a per mille."""
    device = Device()
    found = sampled(device, Run(device, 0.0, 1.3 * MICROSECOND, as_graph=True))
    assert found["times"] == pytest.approx([1.3 * MICROSECOND] * LEAST, rel=EVENT / READING * 2)
    assert device.launches <= CALLS + (LEAST + 1) * (MOST + 1) + 2


def test_long_work_is_not_repeated_within_a_reading() -> None:
    device = Device()
    found = sampled(device, Run(device, 0.0, 0.25, as_graph=False))
    assert found["times"] == pytest.approx([0.25] * LEAST)
    assert device.launches == LEAST + 2  # one that readies it, one that tells how long it takes


def test_a_sample_lasts_as_long_as_it_should() -> None:
    device = Device()
    found = sampled(device, Run(device, 0.0, 10e-3, as_graph=False), seconds=0.5)
    assert len(found["times"]) == 50


def test_a_run_is_captured_once() -> None:
    device = Device()
    clock, run = Clock(device, now=lambda: device.host), Run(device, 0.0, 1e-3, as_graph=True)
    for _ in range(3):
        clock.sample(run, 0.0)
    assert device.captures == 1
    clock.sample(Run(device, 0.0, 1e-3, as_graph=True), 0.0)
    assert device.captures == 2
