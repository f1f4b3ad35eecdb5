"""A run that was stopped, or failed, goes on to the bits of one that was not; and nothing else touches the bits."""

import errno
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mean_runs import Silent, go_on, mean_config, start

from tinygen.kernels.cpu.openblas import thread_functions
from tinygen.training import checkpoint as checkpoints
from tinygen.training import loop, metrics_log
from tinygen.training.contract import RunError, UsageError
from tinygen.training.run_directory import RunDirectory
from tinygen.training.tree import split


def bits(path: Path) -> dict[str, bytes]:
    """All arrays of the newest checkpoint, and everything else in it but the time."""
    newest = checkpoints.load(checkpoints.saved(path / "checkpoints")[0])
    arrays, rest = split({**newest.state, "seconds": 0, "step": newest.step})
    return {name: array.tobytes() for name, array in arrays.items()} | {"rest": repr(rest).encode()}


def log(path: Path) -> list[dict[str, Any]]:
    return [{**record, "seconds": 0} for record in metrics_log.read(path / "metrics.jsonl")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import fake_model

    fake_model.register()
    path = tmp_path_factory.mktemp("runs") / "whole"
    assert start(path, mean_config()).finished
    return path


class Interrupting(Silent):
    """Sends SIGINT to this process at a step."""

    def __init__(self, at: int, times: int = 1) -> None:
        super().__init__()

        def send(step: int) -> None:
            if step == at:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)

        self.on_step = send


@pytest.mark.parametrize("at", [1, 9, 10, 17, 39])
def test_stopped_by_ctrl_c_and_resumed_the_bits_and_the_log_are_the_same(tmp_path: Path, whole: Path, at: int) -> None:
    path = tmp_path / "run"
    outcome = start(path, mean_config(), Interrupting(at))
    assert (outcome.step, outcome.finished) == (at, False)
    assert checkpoints.step_of(checkpoints.saved(path / "checkpoints")[0]) == at
    assert go_on(path).finished
    assert bits(path) == bits(whole)
    assert log(path) == log(whole)


def test_the_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RunError, match=r"^step 15: stopped at once; the last good checkpoint is .*step-00000010"):
        start(tmp_path / "run", mean_config(), Interrupting(15, times=2))
    assert checkpoints.step_of(checkpoints.saved(tmp_path / "run" / "checkpoints")[0]) == 10
    assert signal.getsignal(signal.SIGINT) is before


def test_pictures_and_the_times_of_saving_and_logging_leave_the_bits_alone(tmp_path: Path, whole: Path) -> None:
    start(tmp_path / "run", mean_config(sample_every=7, save_every=11))
    assert bits(tmp_path / "run") == bits(whole)
    assert len(list((tmp_path / "run" / "samples").glob("*.png"))) == 6


def test_another_seed_has_other_bits(tmp_path: Path, whole: Path) -> None:
    start(tmp_path / "run", mean_config(seed=4))
    ours, theirs = bits(tmp_path / "run"), bits(whole)
    assert all(ours[name] != theirs[name] for name in ours)


def test_a_finished_run_can_be_carried_further(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "run"
    start(path, mean_config(steps=23))
    RunDirectory(path).write_config(mean_config(steps=40))
    go_on(path)
    assert bits(path) == bits(whole)


def test_killed_before_the_first_checkpoint_a_run_starts_again_from_its_configuration(
    tmp_path: Path, whole: Path
) -> None:
    RunDirectory.create(tmp_path / "run", mean_config())
    go_on(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


def test_a_damaged_checkpoint_is_told_set_aside_and_the_one_before_used(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "run"
    start(path, mean_config(), Interrupting(25))
    newest = checkpoints.saved(path / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:-3])
    progress = Silent()
    go_on(path, progress)
    assert "step-00000025" in progress.notes[0]
    assert "cut short" in progress.notes[0]
    assert "going on from step 20" in progress.notes[1]
    assert (path / "checkpoints" / "step-00000025.safetensors.damaged").exists()
    assert bits(path) == bits(whole)
    assert log(path) == log(whole)


def test_a_checkpoint_of_another_model_is_refused_by_name(tmp_path: Path, whole: Path) -> None:
    foreign = checkpoints.load(checkpoints.saved(whole / "checkpoints")[0])
    directory = RunDirectory.create(tmp_path / "run", mean_config(momentum=0.5))
    checkpoints.save(directory.checkpoints, foreign)
    with pytest.raises(UsageError, match=r"is of another mean: it has momentum 0\.9, not 0\.5"):
        go_on(tmp_path / "run")
    owner = {"model": "gan", "options": {}}
    checkpoints.save(directory.checkpoints, checkpoints.Checkpoint(foreign.step, owner, foreign.state))
    with pytest.raises(UsageError, match="is of the model gan; this run trains mean"):
        go_on(tmp_path / "run")


def test_a_checkpoint_that_lacks_something_is_refused_by_name(tmp_path: Path, whole: Path) -> None:
    found = checkpoints.load(checkpoints.saved(whole / "checkpoints")[0])
    del found.state["optimiser"]
    directory = RunDirectory.create(tmp_path / "run", mean_config())
    checkpoints.save(directory.checkpoints, found)
    with pytest.raises(UsageError, match=r"step-00000040\.safetensors does not fit this run: it lacks 'optimiser'"):
        go_on(tmp_path / "run")


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run", mean_config(steps=3))
    directory.samples.mkdir()
    leftovers = [directory.samples / "step-00000003.png.tmp", directory.path / "report.html.tmp"]
    for leftover in leftovers:
        leftover.write_text("half")
    go_on(directory.path)
    assert not any(leftover.exists() for leftover in leftovers)


def test_a_run_in_a_thread_needs_no_signals(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(start, tmp_path / "run", mean_config(steps=3)).result().finished


def test_openblas_has_one_thread_during_a_run_and_its_own_number_after_it(tmp_path: Path) -> None:
    """Its waiting threads would take the cores from the kernels'; a model's or a metric's `np.matmul` has them too."""
    functions = thread_functions()
    if functions is None:
        pytest.skip("NumPy's BLAS here is not OpenBLAS")
    get, put = functions
    before = get()
    seen: set[int] = set()
    progress = Silent()
    progress.on_step = lambda step: seen.add(get())
    try:
        put(2)
        start(tmp_path / "run", mean_config(), progress)
        assert (seen, get()) == ({1}, 2)
    finally:
        put(before)


def test_nan_stops_the_run_with_the_step_the_term_and_the_way_on(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(RunError) as found:
        start(path, mean_config(nan_at=17))
    line = str(found.value)
    assert line.startswith("step 17: loss is nan")
    assert f"last good checkpoint is {path / 'checkpoints' / 'step-00000010.safetensors'}" in line
    assert f"train --resume {path}" in line
    assert "\n" not in line
    assert np.isfinite(checkpoints.load(checkpoints.saved(path / "checkpoints")[0]).state["model"]["weight"]).all()


def test_a_disk_full_for_the_log_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory, opened = RunDirectory.create(tmp_path / "run", mean_config()), Path.open

    def open_full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        return opened(Path("/dev/full") if mode == "a" else path, mode, *rest, **options)

    monkeypatch.setattr(Path, "open", open_full)
    monkeypatch.setattr(metrics_log.MetricsLog, "synchronise", lambda self: None)  # no disk behind /dev/full
    with pytest.raises(RunError, match=r"step 5: the disk is full.*last good checkpoint is .*step-00000000"):
        go_on(directory.path)


@pytest.mark.parametrize(
    ("victim", "good"), [("step-00000030.safetensors", 20), ("step-00000025.png", 25), ("report.html", 40)]
)
def test_a_disk_full_anywhere_is_one_line_and_the_last_checkpoint_stays_good(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, victim: str, good: int
) -> None:
    from tinygen import files

    path, replace = tmp_path / "run", os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == victim:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        replace(source, target)

    config = mean_config(data="digits", sample_every=25) if victim.endswith("png") else mean_config()
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(RunError, match=rf"the disk is full while writing .*{victim}.*step-000000{good}") as found:
            start(path, config)
    assert "\n" not in str(found.value)
    assert checkpoints.load(checkpoints.saved(path / "checkpoints")[0]).step == good
    assert go_on(path).finished
    if not victim.endswith("png"):
        assert bits(path) == bits(whole)


def test_a_stop_while_samples_are_drawn_leaves_the_picture_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    import fake_model

    path, sample = tmp_path / "run", fake_model.Mean.sample

    def slow(self: Any, n: int, rng: Any, cond: Any = None) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the drawing went on")

    monkeypatch.setattr(fake_model.Mean, "sample", slow)
    outcome = start(path, mean_config(sample_every=15))
    assert (outcome.step, outcome.finished) == (15, False)
    monkeypatch.setattr(fake_model.Mean, "sample", sample)
    go_on(path)
    assert bits(path) == bits(whole)
    assert [path.name for path in sorted((path / "samples").iterdir())] == [
        f"step-000000{step}.png" for step in (15, 30, 40)
    ]


def test_all_pictures_start_from_the_same_noise(tmp_path: Path) -> None:
    start(tmp_path / "run", mean_config(steps=20, lr=1e-30, sample_every=10))
    first, second = sorted((tmp_path / "run" / "samples").glob("*.png"))
    assert first.read_bytes() == second.read_bytes()


def test_pictures_of_steps_that_are_taken_again_are_drawn_again(tmp_path: Path) -> None:
    path = tmp_path / "run"
    start(path, mean_config(steps=30, sample_every=10))
    pictures = [RunDirectory(path).sample_picture(step) for step in (20, 30)]
    before = [picture.read_bytes() for picture in pictures]
    checkpoints.path_of(path / "checkpoints", 30).unlink()
    RunDirectory(path).write_config(mean_config(steps=30, sample_every=10, lr=1.0))
    go_on(path)
    assert [picture.read_bytes() == old for picture, old in zip(pictures, before)] == [True, False]


def test_loop_says_where_to_go_on_only_when_there_is_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loop.checkpoints, "save", full)
    with pytest.raises(RunError, match="no checkpoint was written yet"):
        start(tmp_path / "run", mean_config())
