"""Training on a real card: the CPU's steps, replays equal to plain steps, the CPU's random bits, memory that stays.

Every test is a body that is told where it runs: here on the simulated CUDA device, with `pytest -m gpu` on a card.
"""

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from simulator import needs_compiler
from simulator.cupy import as_cupy

from tinygen.capture import captured_steps
from tinygen.data import load
from tinygen.device import cuda_status
from tinygen.kernels.cuda import chunks
from tinygen.learner import learner_of
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training.registry import config_class

WORKS, REASON = cuda_status()
RECIPE = Recipe(steps=100, batch_size=6, lr=1e-3, warmup=0, ema_decay=0.9)
MODELS: dict[str, dict[str, Any]] = {
    "vae": {"latent": 3, "hidden": (16,)},
    "dcgan": {"channels": 8},
    "ddpm": {"timesteps": 8, "channels": 16, "multipliers": (1, 2), "heads": 2},
    "realnvp": {"hidden": 4},
    "vqvae": {"hidden": 16, "codes": 16},
    "pixelcnn": {"width": 8, "layers": 3},
}
# What a batch normalisation follows has no gradient but rounding, of which Adam makes whole steps.
NO_GRADIENT = {"dcgan": r"(up|down)\.\d\.bias|running_mean"}


def swept() -> None:
    """Lets go of what is kept for later steps, so that only a leak is left: tables of addresses, and cycles."""
    chunks._on_device.cache_clear()
    gc.collect()


@contextmanager
def card() -> Iterator[Callable[[], int]]:
    """A real device; gives a function for the bytes of it that are in use."""
    import cupy

    def used() -> int:
        swept()
        return cupy.get_default_memory_pool().used_bytes()

    yield used


@contextmanager
def simulated() -> Iterator[Callable[[], int]]:
    """The simulated device, with the same."""
    from simulator.cupy.arrays import ndarray

    def used() -> int:
        swept()
        return sum(o.nbytes for o in gc.get_objects() if type(o) is ndarray and o.base is None)

    with as_cupy():
        yield used


ON_A_CARD = [pytest.mark.gpu, pytest.mark.skipif(not WORKS, reason=REASON)]
EACH = ("used", "name")
EVERY_FAMILY = [
    *(pytest.param(card, name, id=f"gpu-{name}", marks=ON_A_CARD) for name in MODELS),
    *(pytest.param(simulated, name, id=f"simulated-{name}", marks=needs_compiler) for name in ("vae", "dcgan")),
]  # the others on the simulated device: test_training_step.py


@pytest.fixture(
    params=[
        pytest.param(card, id="gpu", marks=ON_A_CARD),
        pytest.param(simulated, id="simulated", marks=needs_compiler),
    ]
)
def used(request: pytest.FixtureRequest) -> Iterator[Callable[[], int]]:
    """Within the test there is this CUDA device; gives the bytes in use."""
    with request.param() as function:
        yield function


class Training:
    """A small model of a family that is trained on digits."""

    def __init__(self, name: str, device: str) -> None:
        self.digits = load("digits", "train")
        self.model = config_class(name)(**MODELS[name]).build(self.digits.shape, None, Generator(0))
        if hasattr(self.model, "prepare"):
            self.model.prepare(self.digits)
        noise = np.random.default_rng(0)
        for parameter in self.model.parameters():  # or what starts at 0 would keep gradients from what lies behind
            parameter.data = parameter + 0.02 * noise.standard_normal(parameter.shape).astype(np.float32)
        self.model.to(device)
        self.learner = learner_of(self.model, RECIPE)
        self.rng = Generator(1)
        self.steps = 0

    def run(self, steps: int) -> list[dict[str, float]]:
        """The figures of so many steps, each on examples of its own."""
        figures = []
        for _ in range(steps):
            batch = self.digits.batch(slice(6 * self.steps, 6 * self.steps + 6))
            figures.append(self.learner.step(batch, self.rng))
            self.steps += 1
        return figures

    def weights(self) -> dict[str, np.ndarray]:
        return {key: value.numpy() for key, value in self.model.state_dict().items()}


@pytest.mark.parametrize(EACH, EVERY_FAMILY, indirect=["used"])
def test_steps_on_the_device_are_those_of_the_cpu(name: str, used: Callable[[], int]) -> None:
    on_cpu, there = Training(name, "cpu"), Training(name, "cuda")
    with captured_steps(False):
        for found, expected in zip(there.run(2), on_cpu.run(2)):
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    expected_weights = on_cpu.weights()
    for key, found in there.weights().items():
        if not re.search(NO_GRADIENT.get(name, "^$"), key):  # Adam divides by |g|: a g near 0 shows its rounding
            assert np.median(np.abs(found - expected_weights[key])) < 0.01 * RECIPE.lr, key


@pytest.mark.parametrize(EACH, EVERY_FAMILY, indirect=["used"])
def test_captured_steps_are_the_plain_ones_bit_by_bit(name: str, used: Callable[[], int]) -> None:
    """Of four steps the second is recorded; it and those after it are replays."""
    runs = []
    for capture in (True, False):
        training = Training(name, "cuda")
        with captured_steps(capture):
            runs.append((training.run(4), training.weights(), training.rng.state))
    (replayed, weights, state), (plain, expected, expected_state) = runs
    assert replayed == plain
    assert state == expected_state
    for key, value in expected.items():
        assert weights[key].tobytes() == value.tobytes(), key


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("name", ["vae", "dcgan"])
def test_memory_does_not_grow_from_step_to_step(name: str, capture: bool, used: Callable[[], int]) -> None:
    training = Training(name, "cuda")
    with captured_steps(capture):
        training.run(4)
        before = used()
        training.run(6)
    assert used() <= before


DRAWS: dict[str, Callable[[Generator, str], Any]] = {
    "normal": lambda rng, device: rng.normal((7, 301), device=device),
    "normal, float64": lambda rng, device: rng.normal((1001,), "float64", device=device),
    "uniform": lambda rng, device: rng.uniform((7, 301), device=device),
    "integers": lambda rng, device: rng.integers(-5, 2**40, (501,), device=device),
    "bernoulli": lambda rng, device: rng.bernoulli(0.3, (501,), device=device),
    "permutation": lambda rng, device: rng.permutation(301, device=device),
}


@pytest.mark.parametrize("draw", DRAWS)
def test_random_bits_are_those_of_the_cpu(draw: str, used: Callable[[], int]) -> None:
    here, there = Generator(5), Generator(5)
    for _ in range(3):  # the second and the third start inside a block of the stream
        expected, found = DRAWS[draw](here, "cpu"), DRAWS[draw](there, "cuda")
        assert found.device == "cuda"
        assert found.numpy().dtype == expected.numpy().dtype
        assert found.numpy().tobytes() == expected.numpy().tobytes()
        here.uniform(1)
        there.uniform(1, device="cuda")
    assert here.state == there.state
