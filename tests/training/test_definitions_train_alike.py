"""The fast kernels train as their definitions do: the curves of a loss differ far less than those of two seeds."""

import numpy as np
import pytest

from tinygen import kernels
from tinygen.data import load
from tinygen.kernels.cpu import launch
from tinygen.learner import learner_of
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training.registry import config_class

STEPS, BATCH = 25, 16
MODELS = {
    "vae": {"latent": 3, "hidden": (32,)},
    "dcgan": {},
    "ddpm": {"timesteps": 8, "channels": 16, "multipliers": (1, 2), "heads": 2},
    "realnvp": {"hidden": 16, "couplings": 2},
    "vqvae": {},
}


def curve(name, seed=0):
    """The loss of every step; `seed` is that of the noise, not of the first weights or the data's order."""
    digits = load("digits", "train")
    model = config_class(name)(**MODELS[name]).build(digits.shape, None, Generator(0))
    if hasattr(model, "prepare"):
        model.prepare(digits)
    learner = learner_of(model, Recipe(steps=STEPS, batch_size=BATCH, lr=1e-3, warmup=0, ema_decay=0.9))
    noise = Generator(100 + seed)
    batches = (digits.batch(slice(BATCH * i, BATCH * (i + 1))) for i in range(STEPS))
    return np.array([learner.step(batch, noise)["loss"] for batch in batches])


@pytest.mark.parametrize("name", MODELS)
def test_the_curve_of_the_definitions_is_that_of_the_kernels_within_noise(name):
    fast = curve(name)
    with kernels.implementation("definition"), pytest.MonkeyPatch.context() as patch:
        for start in ("parallel", "here"):  # nothing compiled runs here, or this would compare it with itself
            patch.setattr(launch.WAYS, start, None)
        plain = curve(name)
    noise = np.abs(curve(name, seed=1) - fast).mean()
    assert np.abs(plain - fast).mean() < 0.1 * noise
    assert plain[:3] == pytest.approx(fast[:3], rel=1e-4)
