"""The family through the training room: runs that go on to the same bits, and failures in one line."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from mean_runs import Silent

from tinygen.recipe import Recipe
from tinygen.training import checkpoint as checkpoints
from tinygen.training.contract import RunError
from tinygen.training.loop import train
from tinygen.training.registry import config_class
from tinygen.training.run_directory import RunConfig, RunDirectory

RECIPE = Recipe(steps=6, batch_size=8, lr=1e-3, ema_decay=0.9, sample_every=6, pictures=4)


def config(model: str, **changes) -> RunConfig:
    options = dataclasses.asdict(config_class(model)(latent=2, hidden=(8,)))
    return RunConfig(model, options, "digits", 5, "cpu", dataclasses.replace(RECIPE, **changes))


def weights(run: RunDirectory) -> dict[str, np.ndarray]:
    found = checkpoints.load(checkpoints.saved(run.checkpoints)[0]).state["ema"]
    return {name: np.asarray(value) for name, value in found.items()}


@pytest.mark.parametrize("model", ["ae", "vae", "cvae"])
def test_a_run_that_is_resumed_ends_with_the_same_bits(tmp_path, model):
    whole, parts = (RunDirectory.create(tmp_path / name, config(model)) for name in ("whole", "parts"))
    train(whole, config(model), Silent())
    train(parts, config(model, steps=3), Silent())
    train(parts, config(model), Silent())
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(weights(parts)[name], value)
    assert len(whole.pictures()) == 1


def test_weights_that_diverge_end_the_run_in_one_line(tmp_path):
    diverging = config("vae", lr=1e30)
    with pytest.raises(RunError, match=r"^step 2: what leaves the encoder is not finite \(\w+ made an? .*last good"):
        train(RunDirectory.create(tmp_path / "run", diverging), diverging, Silent())


@pytest.mark.parametrize("model", ["ae", "vae", "cvae"])
def test_defaults_on_digits_are_few_small_steps(model):
    recipe = config_class(model)().recipe("digits")
    assert recipe.steps <= 5000
    assert recipe.batch_size <= 64
