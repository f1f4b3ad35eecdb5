"""CuPy's queue and this engine's runs on the simulated CUDA device: graphs hold what they should, steps are equal."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulator import needs_compiler
from simulator.cupy import CUPY, as_cupy

from tinygen.bench.backends import with_tinygen
from tinygen.bench.cuda.clock import CALLS, LEAST, Clock, Refused
from tinygen.bench.cuda.kernel import Kernel, named
from tinygen.bench.cuda.passes import passes
from tinygen.bench.cuda.products import convolution, product
from tinygen.bench.cuda.queues import OfCupy
from tinygen.bench.cuda.statistics import statistics
from tinygen.device import CPU

pytestmark = needs_compiler
SMALL = named(
    [
        *convolution(2, 4, 4, 5, 3),
        product(5, 6, 7),
        *statistics((2, 8, 3, 3), (10, 4), 4),
        *passes((2, 8, 3, 3), (10, 4), 50),
    ]
)


class Event:
    """`cupy.cuda.Event` by the host's clock."""

    def record(self, stream: Any = None) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None: ...


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The simulated device with events; what was set up is undone."""
    monkeypatch.setattr(CUPY.cuda, "Event", Event, raising=False)
    monkeypatch.setattr(CUPY.cuda, "get_elapsed_time", lambda a, b: 1e3 * (b.at - a.at), raising=False)
    for name in ("device", "captured", "precision", "clock"):
        monkeypatch.setattr(with_tinygen.Form, name, getattr(with_tinygen.Form, name))
    with as_cupy() as session:
        yield session


def on_cpu(case: Kernel) -> dict[str, np.ndarray]:
    assert with_tinygen.Form.device == CPU
    return with_tinygen.kernel(case).results()


@pytest.mark.parametrize("name", SMALL)
def test_a_kernel_gives_on_the_device_what_it_gives_on_the_cpu(name: str, device: Any) -> None:
    expected = on_cpu(SMALL[name])
    with_tinygen.setup(1, "cuda", precision="tf32")
    run = with_tinygen.kernel(SMALL[name])
    found = run.results()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.abs(found[key] - value).max() <= 2e-5 * max(np.abs(value).max(), 1e-3)
    OfCupy().capture(run)()  # nothing in it is refused


@pytest.mark.parametrize(
    "name",
    ["matrix product 5 x 6 x 7", "group normalisation and SiLU, gradients", "chain: SiLU", "Adam over all parameters"],
)
def test_a_kernel_is_timed_as_a_graph_of_several_calls(name: str, device: Any) -> None:
    with_tinygen.setup(1, "cuda")
    found = with_tinygen.clock().sample(with_tinygen.kernel(SMALL[name]), 0.0)
    assert found["graph"]
    assert len(found["times"]) == LEAST
    assert min(found["times"]) > 0


def test_a_graph_runs_all_its_calls_each_time(device: Any) -> None:
    """What the host decides for each is decided anew: Adam's count of steps, say."""
    import cupy

    from tinygen.kernels import capture

    queue, total, decided = OfCupy(), cupy.zeros((), np.float64), []

    def work() -> None:
        for _ in range(CALLS):
            total[...] = total + capture.each_time(lambda: decided.append(1) or np.ones(()), (), np.float64)

    run = queue.capture(work)
    start, before = float(total), len(decided)
    with queue.current():
        run()
        run()
    assert float(total) == start + 2 * CALLS
    assert len(decided) == before + 2 * CALLS


def test_what_reads_a_value_is_refused_and_timed_call_by_call(device: Any) -> None:
    import cupy

    x = cupy.ones(3)

    class Reads:
        as_graph = True

        def __call__(self) -> float:
            return float(x.sum())

    with pytest.raises(Refused):
        OfCupy().capture(Reads())
    found = Clock(OfCupy()).sample(Reads(), 0.0)
    assert not found["graph"]


def test_a_captured_step_is_the_plain_one(device: Any) -> None:
    with_tinygen.setup(1, "cuda", captured=True)
    captured = with_tinygen.step("VAE", 4)
    with_tinygen.setup(1, "cuda", captured=False)
    plain = with_tinygen.step("VAE", 4)
    for _ in range(3):
        (one,), (two,) = captured(), plain()
        assert float(one) == float(two)
    assert captured.move.graphs


def test_it_says_what_it_ran_on(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CUPY.cuda.runtime, "driverGetVersion", lambda: 13020, raising=False)
    monkeypatch.setattr(CUPY.cuda.runtime, "runtimeGetVersion", lambda: 12080, raising=False)
    monkeypatch.setattr(CUPY.cuda, "Device", lambda *index: type("Device", (), {"id": 0}))
    with_tinygen.Form.device = "cuda"
    told = with_tinygen.about()
    assert told.keys() == {"GPU", "driver", "CUDA", "cupy"}
    assert (told["GPU"], told["CUDA"], told["cupy"]) == ("simulated", "12.8", "simulated")


def test_the_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command line to JSON, each library a process on a simulated device; one of them lacks a kernel."""
    import json
    import sys

    import simulator

    from tinygen.bench import backends
    from tinygen.cli import main

    folders = [Path(__file__).parent, Path(simulator.__file__).parents[1]]
    environment = {"PYTHONPATH": ":".join(map(str, folders))}
    libraries = [
        backends.Backend(name, "simulated_backend", "numpy", {"lacks": lacks}, environment)
        for name, lacks in (("tinygen", ""), ("torch", "softmax_backward"))
    ]
    monkeypatch.setattr(backends, "CUDA_BACKENDS", {library.name: library for library in libraries})
    monkeypatch.setattr(sys.modules["tinygen.device"], "cuda_status", lambda: (True, "simulated"))
    arguments = ["bench", "--device", "cuda", "softmax", "softmax, gradient", "--against", "torch", "--rounds", "2"]
    assert main([*arguments, "--seconds", "0", "--out", str(tmp_path)]) == 0
    assert "B/s" in capsys.readouterr().out
    written = json.loads((tmp_path / "cuda.json").read_text())
    assert (written["machine"]["GPU"], written["machine"]["precision"]) == ("simulated", "tf32")
    (rows,) = written["runs"]
    there = {row["case"]: set(row["libraries"]) for row in rows}
    assert there["softmax"] == {"tinygen", "torch"}
    assert there["softmax, gradient"] == {"tinygen"}
    assert written["floors"]["softmax"]["parts_ms"].keys() == {"memory"}
    assert written["floors"]["softmax"]["share"] > 0
    assert written["ceilings"]["bytes_per_second"] > 0
