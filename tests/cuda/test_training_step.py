"""Training of each family on the simulated device: the steps of the CPU to rounding; captured, the same bits as plain.

Three steps: a plain one, and two replays of which the second sees what the first changed, with the learning rate
rising, the gradient clipped, averages, and random numbers drawn on the device. (VQ-VAE: a plain one and a replay in
each of its phases.)
"""

import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from simulator import needs_compiler
from simulator.cupy import as_cupy

from tinygen.capture import captured_steps
from tinygen.data import load
from tinygen.device import cuda_status
from tinygen.learner import learner_of
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training import tree
from tinygen.training.registry import config_class

WORKS, REASON = cuda_status()
STEPS = {"vqvae": 4}
RECIPE = Recipe(steps=4, batch_size=6, lr=1e-3, warmup=2, ema_decay=0.9, grad_clip=10.0)
# model -> its options, and kernels that its step must have run
MODELS = {
    "vae": ({"latent": 3, "hidden": (16,)}, "normal adam ema"),
    "ddpm": (
        {"timesteps": 8, "channels": 16, "multipliers": (1, 2), "heads": 2},
        "normal integers convolve filter_gradient attention backward_queries backward_keys "
        "channel_moments normalise channel_sums input_gradient",
    ),
    "realnvp": ({"hidden": 4, "couplings": 2}, "uniform relu_map relu_backward_map adam ema"),
    "dcgan": ({}, "uniform convolve filter_gradient channel_moments normalise channel_sums input_gradient adam ema"),
    "vqvae": ({}, "convolve filter_gradient nearest_code add_rows_by_index relu_map relu_backward_map adam ema"),
    "pixelcnn": ({"layers": 4}, "convolve filter_gradient adam ema"),
}
# What a batch normalisation follows has no gradient but rounding, of which Adam makes whole steps.
NO_GRADIENT = {"dcgan": r"(up|down)\.\d\.bias|running_mean"}


class Trained(NamedTuple):
    figures: list[dict[str, float]]
    state: dict[str, np.ndarray]
    reads: int
    """How often the host waited for a value in the last step."""


def train(name: str, device: str, captured: bool = False, session: Any = None) -> Trained:
    digits = load("digits", "train")
    model = config_class(name)(**MODELS[name][0]).build(digits.shape, None, Generator(0))
    if hasattr(model, "prepare"):
        model.prepare(digits)
    noise = np.random.default_rng(0)
    for parameter in model.parameters():  # or what starts at 0 would keep gradients from what lies behind
        parameter.data = parameter + 0.02 * noise.standard_normal(parameter.shape).astype(np.float32)
    learner, rng = learner_of(model.to(device), RECIPE), Generator(7)
    figures, reads = [], 0
    with captured_steps(captured):
        for i in range(STEPS.get(name, 3)):
            before = session.reads if session else 0
            figures.append(learner.step(digits.batch(slice(6 * i, 6 * i + 6)), rng))
            reads = session.reads - before if session else 0
    arrays, rest = tree.split(learner.state_dict())
    return Trained(figures, {**arrays, "rest": np.array(repr([rest, rng.state]))}, reads)


def agree(name: str, on_cpu: Trained, plain: Trained, replayed: Trained) -> None:
    for found, expected in zip(plain.figures, on_cpu.figures):
        assert found == pytest.approx(expected, rel=2e-4, abs=2e-5)
    for key, expected in on_cpu.state.items():
        if key.startswith("model") and not re.search(NO_GRADIENT.get(name, "^$"), key):
            distance = np.median(np.abs(plain.state[key] - expected))  # Adam divides by |g|: near 0 rounding shows
            assert distance < 0.01 * RECIPE.lr, key
    assert replayed.figures == plain.figures
    for key, expected in plain.state.items():
        assert replayed.state[key].tobytes() == expected.tobytes(), key


@needs_compiler
@pytest.mark.parametrize("name", MODELS)
def test_steps_of_each_family_are_those_of_the_cpu_and_replays_are_those_steps(name):
    on_cpu = train(name, "cpu")
    with as_cupy() as session:
        plain = train(name, "cuda", session=session)
        assert set(MODELS[name][1].split()) <= session.launched
        replayed = train(name, "cuda", captured=True, session=session)
    agree(name, on_cpu, plain, replayed)
    assert replayed.reads == 1  # the figures


@pytest.mark.gpu
@pytest.mark.skipif(not WORKS, reason=REASON)
@pytest.mark.parametrize("name", MODELS)
def test_the_same_on_a_real_card(name):
    agree(name, train(name, "cpu"), train(name, "cuda"), train(name, "cuda", captured=True))
