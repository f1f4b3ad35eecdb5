"""A training step of each family with every kernel on the simulated device equals the step on the CPU."""

import re

import numpy as np
import pytest
from simulator import everywhere, needs_compiler

from tinygen.data import load
from tinygen.learner import learner_of
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training.registry import config_class

RECIPE = Recipe(steps=2, batch_size=6, lr=1e-3, warmup=0, ema_decay=0.9)
# model -> its options, and kernels that its step must have run
MODELS = {
    "vae": ({"latent": 3, "hidden": (16,)}, "normal adam ema"),
    "ddpm": (
        {"timesteps": 8, "channels": 16, "multipliers": (1, 2), "heads": 2},
        "normal convolve filter_gradient attention backward_queries backward_keys "
        "channel_moments normalise channel_sums input_gradient",
    ),
    "realnvp": ({"hidden": 4, "couplings": 2}, "uniform relu_map relu_backward_map adam ema"),
    "dcgan": ({}, "normal convolve filter_gradient channel_moments normalise channel_sums input_gradient adam ema"),
    "vqvae": ({}, "convolve filter_gradient nearest_code add_rows_by_index relu_map relu_backward_map adam ema"),
    "pixelcnn": ({}, "convolve filter_gradient adam ema"),
}
# What a batch normalisation follows has no gradient but rounding, of which Adam makes whole steps.
NO_GRADIENT = {"dcgan": r"(up|down)\.\d\.bias|running_mean"}


def train(name):
    """The figures of two steps, the second of which sees what the first changed; and the weights after."""
    digits = load("digits", "train")
    model = config_class(name)(**MODELS[name][0]).build(digits.shape, None, Generator(0))
    if hasattr(model, "prepare"):
        model.prepare(digits)
    noise = np.random.default_rng(0)
    for parameter in model.parameters():  # or what starts at 0 would keep gradients from what lies behind
        parameter.data = parameter + 0.02 * noise.standard_normal(parameter.shape).astype(np.float32)
    learner = learner_of(model, RECIPE)
    figures = [learner.step(digits.batch(slice(6 * i, 6 * i + 6)), Generator(i)) for i in range(2)]
    return figures, {key: np.asarray(value) for key, value in model.state_dict().items()}


@needs_compiler
@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_each_family_is_that_of_the_cpu(name):
    figures, weights = train(name)
    with everywhere() as ran:
        ours, our_weights = train(name)
    assert set(MODELS[name][1].split()) <= ran
    for found, expected in zip(ours, figures):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for key, expected in weights.items():
        if not re.search(NO_GRADIENT.get(name, "^$"), key):  # Adam divides by |g|: a g near 0 shows its rounding
            assert np.median(np.abs(our_weights[key] - expected)) < 0.01 * RECIPE.lr, key
