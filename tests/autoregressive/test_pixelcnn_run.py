"""The family through the training room: runs that go on to the same bits, samples, failures in one line."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from mean_runs import Silent

from tinygen.autoregressive.pixelcnn import PixelCNNConfig
from tinygen.cli import main
from tinygen.recipe import Recipe
from tinygen.training import checkpoint as checkpoints
from tinygen.training.contract import RunError
from tinygen.training.loop import train
from tinygen.training.run_directory import RunConfig, RunDirectory

RECIPE = Recipe(steps=4, batch_size=8, lr=1e-3, ema_decay=0.9, sample_every=4, pictures=4)


def config(**changes) -> RunConfig:
    options = dataclasses.asdict(PixelCNNConfig(width=4, layers=2, conditional=True))
    return RunConfig("pixelcnn", options, "digits", 5, "cpu", dataclasses.replace(RECIPE, **changes))


def test_a_run_that_is_resumed_ends_with_the_same_bits(tmp_path):
    whole, parts = (RunDirectory.create(tmp_path / name, config()) for name in ("whole", "parts"))
    train(whole, config(), Silent())
    train(parts, config(steps=2), Silent())
    train(parts, config(), Silent())
    ours, theirs = (checkpoints.load(checkpoints.saved(run.checkpoints)[0]).state["ema"] for run in (whole, parts))
    for name, value in ours.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(theirs[name]))
    assert len(whole.pictures()) == 1
    assert main(["sample", str(tmp_path / "whole"), "-n", "4"]) == 0


def test_weights_that_diverge_end_the_run_in_one_line(tmp_path):
    diverging = config(lr=1e30)
    with pytest.raises(RunError, match=r"^step 2: loss is nan .*last good"):
        train(RunDirectory.create(tmp_path / "run", diverging), diverging, Silent())
