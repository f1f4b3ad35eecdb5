"""`tinygen bench`: libraries are compared before they are timed, and what is quoted is the median of paired ratios."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygen.bench import machine, worker
from tinygen.bench.backends import BACKENDS, Backend, with_tinygen
from tinygen.bench.cuda import cases as on_cuda
from tinygen.bench.interleave import BenchError, difference, measure, rounds_of
from tinygen.bench.operations import OPERATIONS
from tinygen.bench.report import of_ratios, round_numbers
from tinygen.bench.result import MILLISECONDS, Row, Runs, Samples
from tinygen.bench.steps import SAMPLING, STEPS, Given, losses
from tinygen.cli import main
from tinygen.training.contract import RunError

OURS = BACKENDS["tinygen"]
CASE = "a + b, one number"


def again(**changed: Any) -> Backend:
    return Backend("again", **{"module": OURS.module, "package": "numpy", **changed})


def other(name: str, **options: bool) -> Backend:
    return Backend(name, "wrong_backend", "numpy", options, {"PYTHONPATH": str(Path(__file__).parent)})


def row(case: str, wrong: dict[str, str] | None = None, **values: list[float]) -> Row:
    samples = {name: Samples() for name in values}
    for name, found in samples.items():
        for value in values[name]:
            found.add(value)
    return Row(case, samples, wrong or {})


def test_a_library_that_computes_something_else_is_named_and_not_timed() -> None:
    backends = [OURS, again(), other("off"), other("broken", broken=True)]
    (found,) = measure([CASE], backends, threads=1, rounds=2, seconds=0.0)
    assert set(found.samples) == {"tinygen", "again"}
    assert found.wrong == {"off": "value differs by 5.0e-04", "broken": "ZeroDivisionError: no such kernel"}
    assert len(found.samples["again"].values) == 2
    assert found.ratio("tinygen", "again") is not None
    assert found.ratio("tinygen", "off") is None


def test_arrays_are_equal_but_for_rounding_and_a_few_entries_at_a_kink() -> None:
    """1 % of the norm, or 5 % of the greatest for a single entry; other shapes and NaN are never equal."""
    ones = np.ones(10_000)
    assert difference(1.01 * ones, ones) == pytest.approx(0.01)
    one_off = ones.copy()
    one_off[3] = 1.1
    assert difference(one_off, ones) == pytest.approx(0.1 / 5)
    assert difference(ones[:-1], ones) == np.inf
    assert np.isnan(difference(np.nan * ones, ones))
    assert difference(np.zeros(3), np.zeros(3)) == 0


def test_a_form_that_differs_in_steps_alone_is_not_asked_for_operations() -> None:
    (found,) = measure([CASE], [OURS, again(steps_alone=True)], threads=1, rounds=1, seconds=0.0)
    assert set(found.samples) == {"tinygen"}
    assert not found.wrong


@pytest.mark.parametrize("case", sorted({operation.name for operation in OPERATIONS} & on_cuda.KERNELS.keys()))
def test_what_is_called_as_a_cuda_kernel_is_an_operation_on_the_cpu(case: str) -> None:
    """Forward and backward, at the operation's own size."""
    run = worker.build(with_tinygen, case)
    assert isinstance(run, with_tinygen.OperationRun)
    assert run.inputs["x"].shape == worker.NAMED[case].inputs["x"]


def test_a_library_that_does_not_start_is_one_line() -> None:
    with pytest.raises(BenchError, match=r"again: ModuleNotFoundError: No module named 'nowhere'"):
        measure([CASE], [OURS, again(module="nowhere")], threads=1, rounds=1, seconds=0.0)


def test_a_library_that_cannot_be_timed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OURS.why_not() is None
    assert again(package="nowhere").why_not() == "nowhere is not installed"
    monkeypatch.setenv("PATH", "")
    found = again(options={"compiled": True}).why_not()
    assert found == "torch.compile needs a compiler of C++, one of g++, clang++, c++"


def test_a_library_finds_the_process_as_its_own_users_would() -> None:
    """Nothing that this engine tells its own OpenMP is there when another library is loaded."""
    code = "import os, sys, tinygen.bench.worker; print(*os.environ, *sys.modules)"
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_WAIT", "GOMP"))}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    assert {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "numba"} & set(found.stdout.split()) == set()


def test_every_round_asks_all_in_another_order() -> None:
    backends = [OURS, again(), other("off")]
    asked = [backend.name for backend in rounds_of(backends, 20, seed=0)]
    orders = [tuple(asked[i : i + 3]) for i in range(0, 60, 3)]
    assert {tuple(sorted(order)) for order in orders} == {("again", "off", "tinygen")}
    assert len(set(orders)) == 6


@pytest.mark.parametrize(
    ("takes", "seconds", "readings", "repetitions"),
    [(0.3, 0.1, 1, 1), (0.004, 0.1, 25, 1), (2.0**-20, 0.0, 1, 104)],
    ids=["longer than the sample", "some in a sample", "shorter than the clock can tell"],
)
def test_a_sample_is_as_long_as_it_was_asked_for(
    takes: float, seconds: float, readings: int, repetitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run, for which another library left the caches, takes twice as long and is no reading."""
    now, runs = [0.0], [0]

    def run() -> None:
        now[0] += takes * (2 if runs[0] == 0 else 1)
        runs[0] += 1

    monkeypatch.setattr(worker.time, "perf_counter", lambda: now[0])
    found = worker.sample(run, seconds)
    assert found["times"] == pytest.approx([takes] * readings)
    trials = 0 if repetitions == 1 else worker.TRIALS
    assert runs[0] == 1 + trials + readings * repetitions


def test_ratios_are_made_within_a_round() -> None:
    """The machine is twice as slow in the second round: the ratio is what it was."""
    ours, theirs = Samples(), Samples()
    for weather in (1.0, 2.0, 4.0):
        ours.add(1.0 * weather, [weather])
        theirs.add(2.0 * weather, [2 * weather], weather == 4.0)
    found = Row(CASE, {"tinygen": ours, "torch": theirs}, {})
    assert found.ratio("tinygen", "torch") == (0.5, 0.5, 0.5)
    entry = found.as_json("tinygen", MILLISECONDS)["libraries"]["torch"]
    assert entry["disturbed"] == 1
    assert entry["median_ms"] == 4000.0
    assert entry["tinygen_over_this"] == (0.5, 0.5, 0.5)


def test_several_runs_show_how_far_their_ratios_go() -> None:
    runs = Runs([[row("conv", tinygen=[a], torch=[1.0])] for a in (0.5, 0.9, 0.6)], ["tinygen", "torch"], MILLISECONDS)
    assert runs.cell("conv", "torch") == "0.60 (0.50 to 0.90)"
    content = runs.as_json()
    assert content["spread"] == {"conv": {"torch": {"middle": 0.6, "low": 0.5, "high": 0.9}}}
    assert len(content["runs"]) == 3
    assert "spread" not in Runs(runs.runs[:1], runs.names, MILLISECONDS).as_json()


def test_a_run_that_went_wrong_leaves_no_ratio() -> None:
    runs = [[row("conv", tinygen=[1.0], torch=[2.0])], [row("conv", {"torch": "differs"}, tinygen=[1.0])]]
    found = Runs(runs, ["tinygen", "torch"], MILLISECONDS)
    assert found.cell("conv", "torch") == "differs"
    assert found.wrong


def test_the_table_and_the_picture_show_what_is_missing(tmp_path: Path) -> None:
    from rich.console import Console

    rows = [row("conv", tinygen=[0.002], torch=[0.002]), row("norm [x]", {"torch": "differs"}, tinygen=[0.002])]
    report = of_ratios(Runs([rows], ["tinygen", "torch"], MILLISECONDS), "title")
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(*report.tables())
    text = console.export_text()
    assert "1.00" in text
    assert "differs" in text
    assert "norm [x]" in text
    assert report.markdown().splitlines() == [
        "| | tinygen, ms | over torch |",
        "|---|---|---|",
        "| conv | 2 | 1.00 (1.00 to 1.00) |",
        "| norm [x] | 2 | differs |",
    ]
    for path in report.save(tmp_path, "bench", {"threads": "1"}):
        assert path.exists()
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [
        (0.5, 2, [0.5, 1, 2]),
        (0.49, 2.1, [0.2, 0.5, 1, 2, 5]),
        (99, 101, [50, 100, 200]),
        (0.011, 0.019, [0.01, 0.02]),
    ],
)
def test_round_numbers_reach_to_both_ends_or_beyond(low: float, high: float, numbers: list[float]) -> None:
    assert round_numbers(low, high) == numbers


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("model name\t: One 7\nflags\t\t: fpu avx2 avx512f", "One 7 with AVX-512"),
        ("model name\t: One 5\nflags\t\t: fpu avx avx2", "One 5 with AVX2"),
        ("model name\t: One 3\nflags\t\t: fpu avx", "One 3"),
    ],
)
def test_a_processor_is_named_with_its_vectors(told: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors of one name may differ in these, and times with them."""
    monkeypatch.setattr(Path, "read_text", lambda path: told)
    assert machine.processor() == name


def test_names_are_unique_and_inputs_the_same_each_time() -> None:
    names = [*STEPS, *SAMPLING, *(operation.name for operation in OPERATIONS)]
    assert len(set(names)) == len(names)
    for operation in OPERATIONS:
        for one, two in zip(operation.arrays().values(), operation.arrays().values()):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_takes_exactly_the_noise_that_is_given(name: str) -> None:
    step = STEPS[name]
    given = Given(step.noise(4))
    model = step.model()
    for loss, gradients in losses(step, model, step.weights(model), step.batch(4), given):
        assert np.isfinite(float(loss))
        assert all(np.asarray(gradient).any() for gradient in gradients.values())
    with pytest.raises(StopIteration):
        next(given.arrays)


@pytest.mark.parametrize("name", SAMPLING)
def test_a_sampler_takes_exactly_the_noise_that_is_given(name: str) -> None:
    case = SAMPLING[name]
    given = Given(case.noise(4))
    samples = case.sample(STEPS[case.step].model().eval(), 4, given)
    assert samples.shape == (4, 1, 28, 28)
    assert -1 <= float(samples.numpy().min()) < float(samples.numpy().max()) <= 1
    with pytest.raises(StopIteration):
        next(given.arrays)


def test_the_command_writes_markdown_json_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", CASE, "--rounds", "1", "--seconds", "0", "--threads", "1", "--out", str(tmp_path)]
    assert main([*arguments, "--repeat", "2", "--against", "--name", "tiny"]) == 0
    assert CASE in capsys.readouterr().out
    written = json.loads((tmp_path / "tiny.json").read_text())
    assert written["command"].startswith(f"tinygen bench '{CASE}' --rounds 1")
    assert written["machine"]["date"] in (tmp_path / "tiny.md").read_text()
    assert [[entry["case"] for entry in rows] for rows in written["runs"]] == [[CASE], [CASE]]
    assert written["spread"] == {CASE: {}}
    assert written["machine"]["threads"] == "1"
    table = (tmp_path / "tiny.md").read_text()
    assert table.startswith(f"`{written['command']}`")
    assert f"| {CASE} |" in table
    assert f"]({'tiny.png'})" in table
    assert (tmp_path / "tiny.png").exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinygen.cli import bench

    (tmp_path / "file").touch()
    monkeypatch.setitem(bench.MEASURES, "time", lambda plan, done: pytest.fail("it was measured"))
    with pytest.raises(RunError, match="file/x cannot be written: Not a directory"):
        bench.run(["ReLU", "--against", "--out", str(tmp_path / "file" / "x")])


def test_what_can_be_named_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list"]) == 0
    lines = {line.split("  ")[1].split(" ")[0] for line in capsys.readouterr().out.splitlines() if line[0] == " "}
    assert {"time", "survey", "memory", "startup", "growth", "DDPM", "RealNVP", "torch"} <= lines


def test_a_whole_name_is_that_case_alone() -> None:
    from tinygen.cli.bench import BenchOptions, planned

    assert planned(BenchOptions(("memory", "VAE"), against=()))[1].cases == ["VAE"]
    assert planned(BenchOptions(("memory", "vae"), against=()))[1].cases == ["VAE", "VQ-VAE"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("conw", "unknown case 'conw'"),
        ("memory conv", "unknown case 'conv'"),
        ("conv --rounds 0", "--rounds is at least 1, not 0"),
        ("conv --repeat 0", "--repeat is at least 1, not 0"),
        ("growth --repeat 2", "growth is fitted to one run"),
        ("memory --device cuda", "memory is measured on the CPU: leave out --device cuda"),
        ("conv --precision fp8", "--precision is float32 or tf32 or bfloat16, not 'fp8'"),
        ("conv --against trch", "unknown library 'trch': did you mean torch?"),
        ("conv --against tinygen", "--against names others"),
        ("survey exp --against jax", "the survey is beside PyTorch: for 'jax' there is only what models need"),
    ],
)
def test_wrong_usage_of_bench_is_one_line(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments.split()]) == 2
    assert said in capsys.readouterr().err


def test_start_up_is_measured_of_libraries_as_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "startup", "--against", "torch, compiled"]) == 2
    assert "start-up is measured of libraries as installed, not of 'torch, compiled'" in capsys.readouterr().err


def test_without_a_gpu_it_says_in_one_line_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["tinygen.device"], "cuda_status", lambda: (False, "no CUDA device was found"))
    assert main(["bench", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == "tinygen: --device cuda cannot be measured here: no CUDA device was found\n"


def test_kernels_are_listed_for_cuda(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--device", "cuda", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "  softmax, gradient\n" in listed
    assert "  tinygen, eager\n" in listed
    assert main(["bench", "--device", "cuda", "--precision", "bfloat16", "--list"]) == 0
    listed = capsys.readouterr().out
    assert "softmax" not in listed
    assert "  attention, 196 places of 32\n" in listed
