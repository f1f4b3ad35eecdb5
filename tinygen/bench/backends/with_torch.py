"""PyTorch: as installed, with its memory kept, in channels-last layout, or compiled."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tinygen.bench.backends.torch_models import MODELS
from tinygen.bench.operations import Operation, cotangent
from tinygen.bench.steps import STEPS

F = SimpleNamespace(
    **{name: getattr(functional, name) for name in dir(functional) if not name.startswith("_")},
    exp=torch.exp,
    group_norm_silu=lambda x, groups, w, b: functional.silu(functional.group_norm(x, groups, w, b)),
)

FORM = {"channels_last": False, "compiled": False}


def setup(threads: int, **form: bool) -> None:
    """Threads, and the form in which everything runs that is made later."""
    torch.set_num_threads(threads)
    FORM.update(form)


def placed(array: np.ndarray) -> torch.Tensor:
    """The array as a tensor, images in the layout that was asked for."""
    tensor = torch.tensor(array)
    if FORM["channels_last"] and tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


class OperationRun:
    """An operation forward and backward, all its floating inputs differentiable."""

    def __init__(self, operation: Operation) -> None:
        def call(inputs: dict[str, Any]) -> torch.Tensor:
            return operation.call(F, inputs)

        self.call = torch.compile(call) if FORM["compiled"] else call
        self.inputs = {name: placed(array) for name, array in operation.arrays().items()}
        self.wanted = list(operation.inputs)
        for name in self.wanted:
            self.inputs[name].requires_grad_()
        self.cotangent = placed(cotangent(tuple(self.call(self.inputs).shape)))

    def __call__(self) -> Any:
        y = self.call(self.inputs)
        return y, torch.autograd.grad(y, [self.inputs[name] for name in self.wanted], self.cotangent)

    def results(self) -> dict[str, np.ndarray]:
        y, gradients = self()
        return {"value": y.detach().numpy()} | {n: g.numpy() for n, g in zip(self.wanted, gradients)}


class StepRun:
    """Forward, backward and Adam (fused, its fastest) of a family's model, with noise that is given."""

    def __init__(self, name: str) -> None:
        step = STEPS[name]
        self.model = MODELS[name]()
        self.model.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in step.model().state_dict().items()})
        if FORM["channels_last"]:
            self.model.to(memory_format=torch.channels_last)
        self.loss = torch.compile(self.model.loss) if FORM["compiled"] else self.model.loss
        self.batch = {name: placed(array) for name, array in step.batch().items()}
        self.noise = {name: placed(array) for name, array in step.noise().items()}
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=step.lr, fused=True)

    def __call__(self) -> float:
        loss = self._backward()
        self.optimiser.step()
        return loss.item()

    def _backward(self) -> torch.Tensor:
        self.optimiser.zero_grad()
        loss = self.loss(self.batch, self.noise)
        loss.backward()
        return loss

    def results(self) -> dict[str, np.ndarray]:
        loss = self._backward()
        named = {name: p.grad.numpy() for name, p in self.model.named_parameters() if p.grad is not None}
        return {"value": loss.detach().numpy()} | named


def operation(chosen: Operation) -> OperationRun:
    return OperationRun(chosen)


def step(name: str) -> StepRun:
    return StepRun(name)
