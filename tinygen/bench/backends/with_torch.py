"""PyTorch: as installed, with its memory kept, with fused Adam, in channels-last layout, or compiled."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tinygen.bench import torch_models
from tinygen.bench.operations import Operation, cotangent
from tinygen.bench.steps import BATCH, SAMPLING, STEPS

F = SimpleNamespace(
    **{name: getattr(functional, name) for name in dir(functional) if not name.startswith("_")},
    exp=torch.exp,
    group_norm_silu=lambda x, groups, w, b: functional.silu(functional.group_norm(x, groups, w, b)),
)

FORM = {"channels_last": False, "compiled": False, "fused": False}


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


def given(name: str) -> Any:
    """The model of a step with this engine's weights."""
    model = torch_models.model(name)
    model.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in STEPS[name].model().state_dict().items()})
    return model.to(memory_format=torch.channels_last) if FORM["channels_last"] else model


class StepRun:
    """The losses of a family's model, each forward, backward and Adam, with noise that is given."""

    def __init__(self, name: str, batch: int = BATCH) -> None:
        self.step = STEPS[name]
        self.model = given(name)
        self.losses = [getattr(self.model, turn.loss) for turn in self.step.turns]
        if FORM["compiled"]:
            self.losses = [torch.compile(loss) for loss in self.losses]
        self.parameters = [turn.parameters(self.model) for turn in self.step.turns]
        fused = FORM["fused"] or None  # None leaves the choice to PyTorch, as installed
        self.optimisers = [torch.optim.Adam(named.values(), lr=self.step.lr, fused=fused) for named in self.parameters]
        self.resize(batch)

    def resize(self, batch: int) -> None:
        """From now on batches of `batch` examples."""
        self.batch = {name: placed(array) for name, array in self.step.batch(batch).items()}
        self.noise = {name: placed(array) for name, array in self.step.noise(batch).items()}

    def __call__(self) -> Any:
        descended = []
        for optimiser, loss in zip(self.optimisers, self._backward()):
            optimiser.step()
            optimiser.zero_grad()
            descended.append(loss.detach())
        if self.step.after is not None:
            self.model.after_step()
        return descended

    def _backward(self) -> Any:
        for loss, named in zip(self.losses, self.parameters):
            value = loss(self.batch, self.noise)
            value.backward(inputs=list(named.values()))
            yield value

    def results(self) -> dict[str, np.ndarray]:
        found = {}
        for turn, named, loss in zip(self.step.turns, self.parameters, self._backward()):
            found[turn.loss] = loss.detach().numpy()
            found |= {n: p.grad.numpy().copy() for n, p in named.items() if n not in self.step.no_gradient}
            for parameter in named.values():
                parameter.grad = None
        return found


class SamplingRun:
    """Samples of a family's model, from noise that is given."""

    def __init__(self, name: str, n: int) -> None:
        case = SAMPLING[name]
        model = given(case.step).eval()
        self.sample = torch.compile(model.sample) if FORM["compiled"] else model.sample
        self.noise = {name: placed(array) for name, array in case.noise(n).items()}

    def __call__(self) -> Any:
        return self.sample(self.noise)

    def results(self) -> dict[str, np.ndarray]:
        return {"samples": self().numpy()}


def operation(chosen: Operation) -> OperationRun:
    return OperationRun(chosen)


def step(name: str, batch: int = BATCH) -> StepRun:
    return StepRun(name, batch)


def sampling(name: str, n: int = BATCH) -> SamplingRun:
    return SamplingRun(name, n)
