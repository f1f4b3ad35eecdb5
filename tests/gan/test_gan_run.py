"""The family through the training room: runs that go on to the same bits, and wrong options in one line."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from mean_runs import Silent

from tinygen.cli import main
from tinygen.data import DENSITIES
from tinygen.gan.variants import PLANE
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training import checkpoint as checkpoints
from tinygen.training.contract import RunError
from tinygen.training.loop import train
from tinygen.training.registry import config_class
from tinygen.training.run_directory import RunConfig, RunDirectory

RECIPE = Recipe(steps=6, batch_size=8, lr=1e-3, ema_decay=0.9, grad_clip=0, sample_every=6, pictures=4)
MODELS = ["gan", "dcgan", "cgan", "wgan", "wgan-gp", "lsgan", "sngan"]


def config(model: str, data: str = "digits", options: dict | None = None, **changes) -> RunConfig:
    small = {"latent": 3, "hidden": (8,), "channels": 4} | (options or {})
    made = dataclasses.asdict(config_class(model)(**small))
    return RunConfig(model, made, data, 5, "cpu", dataclasses.replace(RECIPE, **changes))


def arrays(run: RunDirectory) -> dict[str, bytes]:
    """Every array and number of the newest checkpoint: both players, both optimisers, the average."""
    found: dict[str, bytes] = {}

    def walk(node, path):
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{path}.{key}")
        elif isinstance(node, list | tuple):
            for i, value in enumerate(node):
                walk(value, f"{path}.{i}")
        elif isinstance(node, np.ndarray):
            found[path] = node.tobytes()
        else:
            found[path] = repr(node).encode()

    state = checkpoints.load(checkpoints.saved(run.checkpoints)[0]).state
    walk({name: value for name, value in state.items() if name != "seconds"}, "")
    return found


@pytest.mark.parametrize("model", MODELS)
def test_a_run_that_is_resumed_ends_with_the_same_bits(tmp_path, model):
    """Stopped at step 3, between two turns of a generator that has one in five."""
    whole, parts = (RunDirectory.create(tmp_path / name, config(model)) for name in ("whole", "parts"))
    train(whole, config(model), Silent())
    train(parts, config(model, steps=3), Silent())
    train(parts, config(model), Silent())
    ours, theirs = arrays(whole), arrays(parts)
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == set()
    assert any("generator.optimiser" in name for name in ours)
    assert any("discriminator.optimiser" in name for name in ours)
    assert len(whole.pictures()) == 1


def test_points_and_an_f_gan_train_through_the_command_line(tmp_path, capsys):
    small = ["--hidden", "8", "--latent", "2", "--batch-size", "16", "--pictures", "4"]
    out = str(tmp_path / "run")
    assert main(["train", "gan", "--data", "ring8", "--loss", "kl", "--steps", "2", "--out", out, *small]) == 0
    assert main(["eval", out]) == 0
    assert main(["sample", out, "-n", "4"]) == 0
    assert "modes found" in capsys.readouterr().out


def test_points_are_known_by_the_names_of_their_densities():
    assert set(PLANE) == set(DENSITIES)


def test_a_game_that_diverges_ends_in_one_line(tmp_path):
    diverging = config("gan", lr=1e30)
    with np.errstate(all="ignore"), pytest.raises(RunError, match=r"^step \d: .* is (nan|inf).*last good checkpoint"):
        train(RunDirectory.create(tmp_path / "run", diverging), diverging, Silent())


@pytest.mark.parametrize(
    ("model", "shape", "options", "said"),
    [
        ("dcgan", (2,), {}, r"net conv is for images, and the data has shape \(2,\): use net mlp"),
        ("cgan", (1, 8, 8), {}, "cgan is for data with classes, and this data set has none"),
        ("gan", (2,), {"latent": 0}, "latent is at least 1, not 0"),
        ("gan", (2,), {"hidden": (8, 0)}, "hidden is at least 1, not 0"),
        ("gan", (2,), {"critic_steps": 0}, "critic-steps is at least 1, not 0"),
        ("gan", (2,), {"clip": -1.0}, "clip is at least 0, not -1.0"),
        ("wgan-gp", (2,), {"gradient": float("nan")}, "gradient is at least 0, not nan"),
        ("wgan-gp", (1, 8, 8), {"net": "conv", "normalisation": "batch"}, "use normalisation none, not batch"),
        ("gan", (2,), {"betas": (0.5, 1.0)}, r"betas\[1\] must be at least 0.0 and below 1.0, not 1.0"),
    ],
)
def test_wrong_options_are_told_in_one_line(model, shape, options, said):
    with pytest.raises(ValueError, match=said):
        config_class(model)(**options).build(shape, None, Generator(0)).learner(RECIPE)


@pytest.mark.parametrize("model", MODELS)
def test_defaults_on_digits_are_few_small_steps(model):
    recipe = config_class(model)().recipe("digits")
    assert recipe.steps <= 20_000
    assert recipe.batch_size <= 64
