"""The family through the training room: two phases that go on to the same bits, failures in one line."""

import dataclasses
import itertools
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from mean_runs import Silent

from tinygen.cli import main
from tinygen.learner import NonFinite
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training import checkpoint as checkpoints
from tinygen.training.contract import RunError
from tinygen.training.loop import train
from tinygen.training.run_directory import RunConfig, RunDirectory
from tinygen.vq.vqvae import VQVAEConfig

SMALL = {"codes": 6, "width": 3, "hidden": 4, "prior_width": 4, "prior_layers": 2}
RECIPE = Recipe(steps=8, batch_size=8, lr=1e-3, ema_decay=0.9, sample_every=8, pictures=4)


def config(**changes) -> RunConfig:
    options = dataclasses.asdict(VQVAEConfig(**SMALL))
    return RunConfig("vqvae", options, "digits", 5, "cpu", dataclasses.replace(RECIPE, **changes), save_every=1)


def weights(run: RunDirectory, step: int, kind: str = "ema") -> dict[str, np.ndarray]:
    found = checkpoints.load(checkpoints.path_of(run.checkpoints, step)).state[kind]
    return {name: np.asarray(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    run = RunDirectory.create(tmp_path_factory.mktemp("vq") / "whole", config())
    train(run, config(), Silent())
    return run


@pytest.mark.parametrize("stopped", [2, 4, 6])
def test_a_run_that_is_resumed_on_either_side_of_the_change_ends_with_the_same_bits(run, tmp_path, stopped):
    """Stopped as Ctrl-C stops it: with the steps it was started with, so that the change stays where it was."""
    parts = RunDirectory.create(tmp_path / "parts", config())
    terminal = Silent()
    terminal.on_step = lambda step: step == stopped and os.kill(os.getpid(), signal.SIGINT)
    train(parts, config(), terminal)
    assert checkpoints.step_of(checkpoints.saved(parts.checkpoints)[0]) == stopped
    train(parts, config(), Silent())
    for kind in ("model", "ema"):
        ours, theirs = weights(run, 8, kind), weights(parts, 8, kind)
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            np.testing.assert_array_equal(theirs[name], value, err_msg=name)


def learner(**options):
    recipe = Recipe(steps=6, lr=1e-2, ema_decay=0.5)
    return VQVAEConfig(**SMALL | options).build((1, 8, 8), 3, Generator(0)).learner(recipe)


def batch(seed: int = 0) -> dict[str, np.ndarray]:
    return {"x": np.asarray(Generator(seed).uniform((8, 1, 8, 8))) * 2 - 1, "y": np.arange(8) % 3}


def snapshot(learner) -> dict[str, np.ndarray]:
    return {name: np.asarray(value).copy() for name, value in learner.model.state_dict().items()}


def test_the_autoencoder_is_trained_first_and_then_only_the_prior():
    two, rng, states = learner(), Generator(1), []
    for step in range(6):
        assert ("prior" in two.step(batch(step), rng)) == (step >= 3)
        states.append(snapshot(two))
    for i, (before, after) in enumerate(itertools.pairwise(states), 1):
        moved = {name.partition(".")[0] for name in before if (before[name] != after[name]).any()}
        assert moved == ({"autoencoder"} if i < 3 else {"autoencoder", "prior"} if i == 3 else {"prior"})


def test_the_codes_of_the_prior_are_those_of_the_averaged_autoencoder():
    two, rng = learner(), Generator(1)
    for step in range(3):
        two.step(batch(step), rng)
    with two.averaged() as model:
        codes = model.autoencoder.codes(batch()["x"])
    two.step(batch(), rng)
    np.testing.assert_array_equal(two.model.autoencoder.codes(batch()["x"]), codes)
    with two.averaged() as model:
        np.testing.assert_array_equal(model.autoencoder.codes(batch()["x"]), codes)


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_what_is_not_finite_stops_the_step_before_anything_moves(steps):
    two, rng = learner(), Generator(1)
    for _ in range(steps):
        two.step(batch(), rng)
    before = snapshot(two)
    with pytest.raises(NonFinite):
        two.step({"x": np.full((8, 1, 8, 8), np.nan, np.float32), "y": np.zeros(8, np.int64)}, rng)
    for name, value in snapshot(two).items():
        np.testing.assert_array_equal(value, before[name])


def test_weights_that_diverge_end_the_run_in_one_line(tmp_path):
    diverging = config(lr=1e30)
    with pytest.raises(RunError, match=r"^step 2: (loss|reconstruction) is (nan|inf).*last good"):
        train(RunDirectory.create(tmp_path / "run", diverging), diverging, Silent())


def test_a_run_is_measured_and_drawn_from(run, capsys):
    assert main(["eval", str(run.path)]) == 0
    printed = capsys.readouterr().out
    assert "nats per image, of its codes, exact" in printed
    assert main(["sample", str(run.path), "-n", "4"]) == 0
