"""A training step of each family in bfloat16 on the simulated device: that of float32 on the CPU within stated bounds.

The loss is within 0.2 %, other figures such as the gradient's norm are within 3 %; weights and what the optimiser and
the average keep are float32.
"""

import numpy as np
import pytest
from simulator import needs_compiler
from simulator.cupy import as_cupy
from test_on_a_gpu import REASON, WORKS
from test_training_step import MODELS, RECIPE, train

import tinygen as tg
from tinygen.capture import captured_steps
from tinygen.data import load
from tinygen.learner import learner_of
from tinygen.random import Generator
from tinygen.training.registry import config_class


def step(name, device, mixed):
    """The figures of a first step, and the learner after."""
    digits = load("digits", "train")
    model = config_class(name)(**MODELS[name][0]).build(digits.shape, None, Generator(0))
    if hasattr(model, "prepare"):
        model.prepare(digits)
    noise = np.random.default_rng(0)
    for parameter in model.parameters():  # or what starts at 0 would keep gradients from what lies behind
        parameter.data = parameter + 0.02 * noise.standard_normal(parameter.shape).astype(np.float32)
    learner = learner_of(model.to(device), RECIPE)
    with tg.mixed_precision(mixed), captured_steps(False):
        return learner.step(digits.batch(slice(0, 6)), Generator(0)), learner


def arrays(state):
    """All arrays in a state of dicts and lists."""
    if isinstance(state, dict | list | tuple):
        for value in state.values() if isinstance(state, dict) else state:
            yield from arrays(value)
    elif hasattr(state, "dtype"):
        yield state


def check_step(name):
    """The step on the device, whichever CuPy is."""
    figures, _ = step(name, "cpu", mixed=False)
    ours, learner = step(name, "cuda", mixed=True)
    kept = {a.dtype for a in arrays(learner.state_dict()) if a.dtype.kind not in "iub"}
    assert ours.keys() == figures.keys()
    for key, exact in figures.items():
        bound = 0.002 if key == "loss" else 0.03
        assert ours[key] == pytest.approx(exact, rel=bound, abs=2e-3), key
    assert ours["loss"] != figures["loss"]
    assert kept <= {np.dtype(np.float32), np.dtype(np.float64)}


@needs_compiler
@pytest.mark.parametrize("name", MODELS)
def test_a_step_in_bfloat16_is_near_that_in_float32(name):
    with as_cupy() as session:
        check_step(name)
    assert set(MODELS[name][1].split()) - {"adam", "ema"} <= session.launched


@pytest.mark.gpu
@pytest.mark.skipif(not WORKS, reason=REASON)
@pytest.mark.parametrize("name", MODELS)
def test_a_step_in_bfloat16_on_a_card_is_near_that_in_float32(name):
    check_step(name)


@needs_compiler
def test_replays_of_a_captured_step_in_bfloat16_are_that_step():
    with as_cupy() as session, tg.mixed_precision():
        plain, replayed = (train("vae", "cuda", captured, session) for captured in (False, True))
    assert replayed.figures == plain.figures
    assert replayed.reads == 1
    for key, expected in plain.state.items():
        assert replayed.state[key].tobytes() == expected.tobytes(), key
