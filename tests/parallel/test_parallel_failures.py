"""However a rank ends, the run ends on all of them, says why once, and goes on from its checkpoint."""

import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mpi_runs import HERE, command, environment, needs_mpi, run

from tinygen.training import checkpoint as checkpoints

pytestmark = needs_mpi
PROGRAM = [sys.executable, str(HERE / "faulty_model.py"), "train"]
TRAIN = [*PROGRAM, "faulty", "--data", "two_moons", "--save-every", "3", "--log-every", "1"]


def weights(path: Path) -> dict[str, np.ndarray]:
    found = checkpoints.load(checkpoints.saved(path / "checkpoints")[0])
    return {name: np.asarray(value) for kind in ("model", "ema") for name, value in found.state[kind].items()}


def assert_near(run: Path, other: Path) -> None:
    for name, value in weights(run).items():
        np.testing.assert_allclose(weights(other)[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that nothing happened to ends with, on one process."""
    path = tmp_path_factory.mktemp("whole") / "run"
    assert run(1, [*TRAIN, "--out", str(path)]).returncode == 0
    return path


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("nan", "tinygen: step 5: loss is nan; the last good checkpoint is"),
        ("kill", "tinygen: a rank was killed; the last good checkpoint is"),
    ],
)
def test_what_befalls_one_rank_ends_the_run_with_one_message_and_a_way_on(whole, tmp_path, fault, said):
    """The way on is taken with another number of ranks: the state is the same on all."""
    path = tmp_path / "run"
    ended = run(2, [*TRAIN, "--fault", fault, "--out", str(path)])
    (line,) = (line for line in ended.stderr.splitlines() if line.startswith("tinygen:"))
    assert line.startswith(said)
    assert f"step-00000003.safetensors; go on with mpirun -n 2 python -m tinygen train --resume {path}" in line
    assert ended.returncode == 1 if fault == "nan" else ended.returncode != 0  # of a kill it is mpirun's own
    after = run(1 if fault == "nan" else 4, [*PROGRAM, "--resume", str(path)])
    assert after.returncode == 0, after.stderr
    assert_near(whole, path)


def test_an_unexpected_error_of_one_rank_ends_all_with_one_traceback(tmp_path):
    ended = run(2, [*TRAIN, "--fault", "error", "--out", str(tmp_path / "run")])
    assert ended.returncode == 1
    assert ended.stderr.startswith("tinygen: rank 1 failed:\nTraceback")
    assert ended.stderr.count("LookupError: nobody expected this") == 1


def test_ctrl_c_stops_all_ranks_after_the_same_step(whole, tmp_path):
    path = tmp_path / "run"
    slow = [*TRAIN, "--pause", "0.1", "--steps", "1000", "--out", str(path)]
    process = subprocess.Popen(
        command(2, slow), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("step"))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "not finished; to go on:\n  mpirun -n 2 python -m tinygen train --resume" in out
    reached = checkpoints.step_of(checkpoints.saved(path / "checkpoints")[0])
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, reached + 1))
    if reached < 7:
        assert run(2, [*PROGRAM, "--resume", str(path), "--steps", "7"]).returncode == 0
        assert_near(whole, path)


def test_wrong_usage_is_told_once_with_code_2(tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "something").touch()
    cases = [
        (["--batch-size", "9"], "tinygen: --batch-size 9 does not divide among 2 ranks: 8 or 10 would\n"),
        (["--out", str(taken)], f"tinygen: {taken} is not empty and holds no run; give a new or empty directory"),
    ]
    for options, said in cases:
        ended = run(2, [*TRAIN, "--out", str(tmp_path / "run"), *options])
        assert ended.returncode == 2
        assert ended.stderr.startswith(said)
        assert ended.stderr.count("\n") == 1


def test_the_run_directory_is_that_of_one_process(whole, tmp_path):
    path = tmp_path / "run"
    ended = run(2, [*TRAIN, "--out", str(path)])
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("done: 7 steps") == 1
    assert sorted(p.name for p in path.rglob("*")) == sorted(p.name for p in whole.rglob("*"))
    assert_near(whole, path)
    logs = [[json.loads(line) for line in (p / "metrics.jsonl").read_text().splitlines()] for p in (whole, path)]
    for ours, theirs in itertools.zip_longest(*logs):
        assert {**theirs, "seconds": 0} == pytest.approx({**ours, "seconds": 0}, rel=1e-4)
