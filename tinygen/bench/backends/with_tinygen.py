"""This engine, as `tinygen train` sets it up."""

from types import SimpleNamespace
from typing import Any

import numpy as np

import tinygen as tg
from tinygen import optim
from tinygen.bench.operations import Operation, cotangent
from tinygen.bench.steps import STEPS, Given
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
    """Forward, backward and Adam of a family's model, with noise that is given."""

    def __init__(self, name: str) -> None:
        step = STEPS[name]
        self.model = step.model()
        self.batch, self.noise = step.batch(), step.noise()
        self.optimiser = optim.Adam(self.model.parameters(), lr=step.lr)

    def __call__(self) -> Any:
        loss = self._backward()
        self.optimiser.step()
        return float(loss)

    def _backward(self) -> tg.Tensor:
        self.optimiser.zero_grad()
        loss, _ = self.model.loss(self.batch, Given(self.noise))
        loss.backward()
        return loss

    def results(self) -> dict[str, np.ndarray]:
        loss = self._backward()
        named = {name: p.grad.numpy() for name, p in self.model.named_parameters() if p.grad is not None}
        return {"value": loss.numpy()} | named


def operation(chosen: Operation) -> OperationRun:
    return OperationRun(chosen)


def step(name: str) -> StepRun:
    return StepRun(name)


def placed(array: np.ndarray, image: bool) -> np.ndarray:
    """Images (N, C, H, W) with their channels last in memory, as this engine's layers hand them on."""
    if not image or array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
