"""A model's drawings: made when a run finishes, taken by the report from the directory, and never at a run's cost."""

import base64
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import fake_model
import numpy as np
import pytest
from mean_runs import Silent, go_on, mean_config, start

from tinygen.drawing import Curves, Paths
from tinygen.training import checkpoint as checkpoints
from tinygen.training.report import write_report
from tinygen.training.run_directory import RunDirectory

CURVE = Curves("First: a <curve>", np.arange(3.0), {"line": np.arange(3.0)})
PATHS = Paths("Then the paths", np.zeros((2, 3, 2)))


@pytest.fixture(autouse=True)
def model() -> None:
    fake_model.register()


def drawing(monkeypatch: pytest.MonkeyPatch, drawings: Any) -> None:
    monkeypatch.setattr(fake_model.Mean, "drawings", drawings, raising=False)


def test_they_show_the_averaged_weights_on_the_held_out_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def drawings(self: Any, dataset: Any, rng: Any) -> Any:
        seen.append((self.weight.value, dataset.split))
        return [CURVE, PATHS]

    drawing(monkeypatch, drawings)
    start(tmp_path / "run", mean_config())
    directory = RunDirectory(tmp_path / "run")
    ((weight, split),) = seen
    saved = checkpoints.load(checkpoints.saved(directory.checkpoints)[0]).state
    assert np.array_equal(weight, saved["ema"]["weight"])
    assert split == "test"
    assert [path.name for path in directory.drawing_files()] == ["1-first.png", "2-then-the-paths.png"]


def test_the_report_is_made_of_the_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, lambda self, dataset, rng: [CURVE, PATHS])
    start(tmp_path / "run", mean_config())
    directory = RunDirectory(tmp_path / "run")
    directory.evaluation_file.write_text(json.dumps({"step": 40, "figures": {"distance": [0.25, "nats & more"]}}))
    page = write_report(directory).read_text()
    embedded = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", page)]
    assert embedded[-2:] == [path.read_bytes() for path in directory.drawing_files()]
    assert "<figcaption>First: a &lt;curve&gt;</figcaption>" in page
    assert "<th>distance</th><td>0.25 nats &amp; more</td>" in page


def test_what_is_drawn_anew_takes_the_place_of_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, lambda self, dataset, rng: [CURVE, PATHS])
    start(tmp_path / "run", mean_config(steps=10))
    drawing(monkeypatch, lambda self, dataset, rng: [PATHS])
    RunDirectory(tmp_path / "run").write_config(mean_config(steps=20))
    go_on(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run" / "drawings").iterdir()] == ["1-then-the-paths.png"]


def test_a_drawing_that_fails_is_told_and_the_run_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Any, dataset: Any, rng: Any) -> Any:
        raise ZeroDivisionError("nothing\nto divide")

    drawing(monkeypatch, fails)
    progress = Silent()
    assert start(tmp_path / "run", mean_config(), progress).finished
    assert progress.notes == ["the drawings could not be made: nothing to divide"]
    assert (tmp_path / "run" / "report.html").exists()


def test_a_stop_while_they_are_drawn_leaves_them_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(self: Any, dataset: Any, rng: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the drawing went on")

    drawing(monkeypatch, slow)
    progress = Silent()
    assert start(tmp_path / "run", mean_config(), progress).finished
    assert progress.notes == []
    assert not (tmp_path / "run" / "drawings").exists()
