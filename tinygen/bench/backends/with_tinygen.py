"""This engine, as `tinygen train` sets it up."""

from types import SimpleNamespace
from typing import Any

import numpy as np

import tinygen as tg
from tinygen import optim
from tinygen.bench.operations import Operation, cotangent
from tinygen.bench.steps import BATCH, SAMPLING, STEPS, Given, losses
from tinygen.nn import functional
from tinygen.ops import normalisation
from tinygen.training.memory import keep_memory

F = SimpleNamespace(
    **{name: getattr(functional, name) for name in dir(functional) if not name.startswith("_")},
    exp=tg.exp,
    group_norm_silu=lambda x, groups, w, b: normalisation.group_norm(x, w, b, groups, 1e-5, True),
)


def setup(threads: int) -> None:
    """Threads are set by NUMBA_NUM_THREADS in the environment, before anything is imported."""
    keep_memory()


class OperationRun:
    """An operation forward and backward, all its floating inputs differentiable."""

    def __init__(self, operation: Operation) -> None:
        self.call = operation.call
        self.wanted = list(operation.inputs)
        self.inputs = {
            name: tg.Tensor(placed(array, operation.images and name in "xy"), requires_grad=name in self.wanted)
            for name, array in operation.arrays().items()
        }
        self.cotangent = tg.Tensor(placed(cotangent(self.call(F, self.inputs).shape), operation.images))

    def __call__(self) -> Any:
        y = self.call(F, self.inputs)
        return y, tg.grad(y, [self.inputs[name] for name in self.wanted], self.cotangent)

    def results(self) -> dict[str, np.ndarray]:
        y, gradients = self()
        return {"value": y.numpy()} | {n: g.numpy() for n, g in zip(self.wanted, gradients)}


class StepRun:
    """The losses of a family's model, each forward, backward and Adam, with noise that is given."""

    def __init__(self, name: str, batch: int = BATCH) -> None:
        self.step = STEPS[name]
        self.model = self.step.model()
        self.optimisers = [
            optim.Adam(turn.parameters(self.model).values(), lr=self.step.lr) for turn in self.step.turns
        ]
        self.resize(batch)

    def resize(self, batch: int) -> None:
        """From now on batches of `batch` examples."""
        self.batch, self.noise = self.step.batch(batch), self.step.noise(batch)

    def __call__(self) -> Any:
        descended = []
        for optimiser, (loss, gradients) in zip(self.optimisers, self._losses()):
            for parameter, gradient in zip(optimiser.parameters(), gradients.values()):
                parameter.grad = gradient
            optimiser.step()
            optimiser.zero_grad()
            descended.append(loss)
        if self.step.after is not None:
            self.step.after(self.model)
        return descended

    def _losses(self) -> Any:
        return losses(self.step, self.model, self.batch, Given(self.noise))

    def results(self) -> dict[str, np.ndarray]:
        found = {}
        for turn, (loss, gradients) in zip(self.step.turns, self._losses()):
            found[turn.loss] = loss.numpy()
            found |= {n: g.numpy() for n, g in gradients.items() if n not in self.step.no_gradient}
        return found


class SamplingRun:
    """Samples of a family's model, from noise that is given."""

    def __init__(self, name: str, n: int) -> None:
        self.case, self.n = SAMPLING[name], n
        self.model = STEPS[self.case.step].model().eval()
        self.noise = self.case.noise(n)

    def __call__(self) -> Any:
        return self.case.sample(self.model, self.n, Given(self.noise))

    def results(self) -> dict[str, np.ndarray]:
        return {"samples": self().numpy()}


def operation(chosen: Operation) -> OperationRun:
    return OperationRun(chosen)


def step(name: str, batch: int = BATCH) -> StepRun:
    return StepRun(name, batch)


def sampling(name: str, n: int = BATCH) -> SamplingRun:
    return SamplingRun(name, n)


def placed(array: np.ndarray, image: bool) -> np.ndarray:
    """Images (N, C, H, W) with their channels last in memory, as this engine's layers hand them on."""
    if not image or array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
