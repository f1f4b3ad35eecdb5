"""What nothing exceeds: the greater of two times, by the copy that the arrays fit to; and the tape."""

import sys
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from tinygen.device import CPU
from tinygen.profiling import ceilings
from tinygen.profiling.ceilings import MOVED, Ceilings, Tape, measure
from tinygen.profiling.cost import Cost

CACHED = Ceilings(((100, 50.0), (1000, 80.0), (10_000, 10.0)), flop_rate=100.0, dtype="float32")


def test_the_floor_is_the_greater_of_the_two_times() -> None:
    found = Ceilings(((1, 1000.0),), flop_rate=100.0, dtype="float32")
    assert found.floor(Cost(0, 500)) == (0.5, "memory")
    assert found.floor(Cost(40, 500)) == (0.5, "memory")
    assert found.floor(Cost(80, 500)) == (0.8, "arithmetic")
    assert found.floor(Cost(120, 500, saved=40)) == (0.8, "arithmetic")
    assert found.floors([Cost(0, 500), Cost(80, 500), Cost(0, 100)]) == {"memory": 0.6, "arithmetic": 0.8}


def test_no_floor_for_arithmetic_of_unknown_rate() -> None:
    found = Ceilings(((1, 1000.0),), None, "float32")
    assert found.floor(Cost(80, 500)) is None
    assert found.floor(Cost(0, 500)) == (0.5, "memory")
    assert found.floors([Cost(80, 500), Cost(0, 500)]) == {"memory": 0.5, "arithmetic": 0.0}


@pytest.mark.parametrize(("size", "rate"), [(1, 80.0), (100, 80.0), (999, 80.0), (1000, 80.0), (10_000, 10.0)])
def test_arrays_are_held_to_copies_of_their_size(size: int, rate: float) -> None:
    """A size between two is held to the faster, since the caches end somewhere between; none to one that is slower
    than a larger one was."""
    assert CACHED.bandwidth_of(size) == rate
    assert CACHED.bandwidth == 10.0


def test_a_copy_is_held_to_the_threads_that_make_it_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones to one thread, since several wait for one another."""
    monkeypatch.setattr(ceilings, "_threads", lambda device: {1, 2})
    monkeypatch.setattr(ceilings, "_copying", lambda size, *_: size / 8.0 if _[-1] == 1 else 1e5 + size / 16.0)
    copies = dict(measure(CPU, repeats=1).copies)
    assert copies[MOVED["cpu"][0]] == 8.0
    assert copies[MOVED["cpu"][-1]] == pytest.approx(16.0, rel=0.02)


def test_what_this_machine_does() -> None:
    found = measure(repeats=2)
    assert [size for size, _ in found.copies] == list(MOVED["cpu"])
    assert min(rate for _, rate in found.copies) > 1e8
    assert found.flop_rate is not None
    assert found.flop_rate > 1e8
    assert 0 < min(found.tape) <= max(found.tape) < 1e-2
    assert Tape(1.0, 3.0, 5.0).seconds(called=1, recorded=10, pulled=100) == 531.0
    assert measure(dtype=np.float64, repeats=1).dtype == "float64"
    for said in ("copying", "GB/s", "GFLOP/s", "float32", "its gradient"):
        assert said in str(found)


def test_what_the_tape_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that counts calls of Python's functions: recording makes a node besides, and each of the three is
    measured alone."""
    calls = count()
    monkeypatch.setattr(ceilings, "time", SimpleNamespace(perf_counter=lambda: float(next(calls))))
    sys.setprofile(lambda frame, event, argument: next(calls))
    try:
        found = ceilings._tape(1)
    finally:
        sys.setprofile(None)
    assert 1 < found.call < found.record - 1
    assert found.pull > 1
