"""JAX on the CPU: everything compiled by XLA, a training step with its Adam as one function."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tinygen.bench import jax_models, weights
from tinygen.bench.backends import Absent
from tinygen.bench.jax_models import as_ours, laid_out, layers, training
from tinygen.bench.operations import RATE, Operation, cotangent
from tinygen.bench.steps import BATCH, SAMPLING, STEPS

F = SimpleNamespace(**{name: getattr(layers, name) for name in dir(layers) if not name.startswith("_")})
Arrays = dict[str, Any]


def setup(threads: int) -> None:
    """Threads are set by NPROC in the environment, before anything is imported."""
    jax.config.update("jax_platforms", "cpu")


def clock() -> None:
    """The host's."""
    return None


def about() -> dict[str, str]:
    """Nothing beside the machine."""
    return {}


def placed(arrays: dict[str, np.ndarray], images: bool = True) -> Arrays:
    """On the device; images with their channels last, and what is called w as the weight of a convolution."""
    return {name: jnp.asarray(laid_out(a, name == "w") if images else a) for name, a in arrays.items()}


class OperationRun:
    """An operation, forward and backward."""

    def __init__(self, operation: Operation) -> None:
        self.images, self.wanted = operation.images, operation.wanted
        self.inputs = placed(operation.arrays(), operation.images)
        value = operation.call(F, self.inputs)
        g = cotangent(as_ours(value, False).shape if self.images else value.shape)
        self.cotangent = placed({"g": g}, self.images)["g"]

        def forward(inputs: Arrays) -> Any:
            return operation.call(F, inputs)

        def both(inputs: Arrays, g: Any) -> Any:
            fixed = {name: array for name, array in inputs.items() if name not in self.wanted}
            wanted = {name: inputs[name] for name in self.wanted}
            y, pull = jax.vjp(lambda wanted: forward(wanted | fixed), wanted)
            return y, pull(g)[0]

        self.backward, self.forward, self.both = operation.backward, jax.jit(forward), jax.jit(both)

    def __call__(self) -> Any:
        found = self.both(self.inputs, self.cotangent) if self.backward else self.forward(self.inputs)
        return jax.block_until_ready(found)

    def results(self) -> dict[str, np.ndarray]:
        y, gradients = self.both(self.inputs, self.cotangent) if self.wanted else (self.forward(self.inputs), {})
        back = as_ours if self.images else lambda array, weight: np.asarray(array)
        return {"value": back(y, False)} | {name: back(g, name == "w") for name, g in gradients.items()}


class UpdateRun:
    """Adam on parameters whose gradients are given; each step's result is the next one's start."""

    def __init__(self, operation: Operation) -> None:
        self.start = placed(operation.arrays(), False)
        self.gradients = placed({n: cotangent(p.shape) for n, p in self.start.items()}, False)
        zeros = {n: jnp.zeros_like(p) for n, p in self.start.items()}
        self.state = self.first = self.start, (zeros, zeros, 0)
        self.adam = jax.jit(partial(training.adam, lr=RATE))

    def __call__(self) -> Any:
        self.state = jax.block_until_ready(self.adam(self.state[0], self.gradients, self.state[1]))
        return self.state

    def results(self) -> dict[str, np.ndarray]:
        """What the first step adds to the parameters."""
        after, _ = self.adam(self.first[0], self.gradients, self.first[1])
        return {name: np.asarray(parameter - self.start[name]) for name, parameter in after.items()}


def given(name: str) -> tuple[Arrays, Arrays, list[training.Turn]]:
    """This engine's weights and buffers by name, and the losses that are descended."""
    every = {key: jnp.asarray(laid_out(array, True)) for key, array in weights.of(name).items()}
    moved = {key: array for key, array in every.items() if not jax_models.is_buffer(key)}
    turns = [
        training.Turn(turn.loss, [key for key in moved if key.startswith(turn.part)]) for turn in STEPS[name].turns
    ]
    return moved, {key: array for key, array in every.items() if key not in moved}, turns


class StepRun:
    """The losses of a family's model, each forward, backward and Adam, with noise that is given."""

    def __init__(self, name: str, batch: int | None = None) -> None:
        self.step, self.model = STEPS[name], jax_models.model(name)
        moved, buffers, self.turns = given(name)
        self.state = training.start(moved, buffers, self.turns)
        self.move = jax.jit(partial(training.step, self.model, self.turns, self.step.lr), donate_argnums=0)
        self.resize(batch)

    def resize(self, batch: int | None) -> None:
        """From now on batches of `batch` examples; of as many as belong in one when it is None."""
        self.batch, self.noise = placed(self.step.batch(batch)), placed(self.step.noise(batch))

    def __call__(self) -> Any:
        self.state, losses = jax.block_until_ready(self.move(self.state, self.batch, self.noise))
        return losses

    def results(self) -> dict[str, np.ndarray]:
        found = {}
        for turn in self.turns:
            gradients = jax.jit(partial(training.gradients, self.model, turn))
            (loss, _), by_name = gradients(*self.state[:2], self.batch, self.noise)
            found[turn.loss] = np.asarray(loss)
            found |= {n: as_ours(g, True) for n, g in by_name.items() if n not in self.step.no_gradient}
        return found


class SamplingRun:
    """Samples of a family's model, from noise that is given."""

    def __init__(self, name: str, n: int = BATCH) -> None:
        case = SAMPLING[name]
        moved, buffers, _ = given(case.step)
        self.p, self.noise = moved | buffers, placed(case.noise(n))
        self.sample = jax.jit(jax_models.model(case.step).sample)

    def __call__(self) -> Any:
        return jax.block_until_ready(self.sample(self.p, self.noise))

    def results(self) -> dict[str, np.ndarray]:
        return {"samples": as_ours(self(), False)}


def operation(chosen: Operation) -> OperationRun | UpdateRun:
    return UpdateRun(chosen) if chosen.updates else OperationRun(chosen)


step, sampling = StepRun, SamplingRun


def kernel(case: Any) -> Any:
    """There are none to compare with."""
    raise Absent("JAX is timed on the CPU")
