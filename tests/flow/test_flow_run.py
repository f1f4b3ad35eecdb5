"""Flows through the command line: train, stop, go on to the same bits, draw, measure."""

from pathlib import Path

import numpy as np
import pytest

from tinygen.cli import main
from tinygen.training import checkpoint as checkpoints

SMALL = ["--hidden", "4", "--couplings", "2", "--batch-size", "32", "--pictures", "4"]


def train(path: Path, data: str, steps: int) -> None:
    options = ["--data", data, "--steps", str(steps), "--out", str(path), *SMALL]
    assert main(["train", "realnvp", *options]) == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flow") / "whole"
    train(path, "two_moons", 4)
    return path


def test_a_run_that_was_stopped_ends_with_the_same_bits(run: Path, tmp_path: Path) -> None:
    """What the first batch set, the scales of actnorm and that they are set, is in the checkpoint."""
    train(tmp_path / "stopped", "two_moons", 2)
    assert main(["train", "--resume", str(tmp_path / "stopped"), "--steps", "4"]) == 0
    ours, theirs = (
        checkpoints.load_newest(path / "checkpoints", pytest.fail).state["model"]
        for path in (run, tmp_path / "stopped")
    )
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert np.asarray(value).tobytes() == np.asarray(theirs[name]).tobytes(), name


def test_points_are_measured_beside_their_entropy(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "nats, exact" in printed
    assert "above the entropy" in printed


def test_images_are_measured_in_bits_per_dimension_of_their_own_levels(tmp_path, capsys) -> None:
    train(tmp_path / "digits", "digits", 1)
    assert main(["eval", str(tmp_path / "digits"), "--no-samples"]) == 0
    assert "bits/dim, upper bound by uniform dequantisation, 17 levels" in capsys.readouterr().out
    assert main(["sample", str(tmp_path / "digits"), "-n", "4"]) == 0
