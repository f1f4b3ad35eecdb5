"""PyTorch: as installed, with its memory kept, with fused Adam, in channels-last layout, compiled; on CPU or GPU."""

from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from tinygen.bench import torch_models, weights
from tinygen.bench.backends import Absent
from tinygen.bench.backends.torch_names import F
from tinygen.bench.cuda.kernel import Kernel, thinned
from tinygen.bench.operations import RATE, Operation, cotangent
from tinygen.bench.steps import BATCH, SAMPLING, STEPS


class Form:
    """How everything runs that is made later."""

    device = "cpu"
    channels_last = False
    compiled: str | None = None
    fused = False
    precision = "float32"
    clock: Any = None


def setup(
    threads: int,
    device: str = "cpu",
    channels_last: bool = False,
    compiled: str | None = None,
    fused: bool = False,
    precision: str = "float32",
) -> None:
    """Threads, and the form.

    Args:
        compiled: the mode of torch.compile; None leaves it out.
        fused: Adam in one kernel, its fastest.
        precision: of products on a CUDA device: float32, tf32, or bfloat16 (autocast).
    """
    torch.set_num_threads(threads)
    Form.device, Form.channels_last, Form.compiled = device, channels_last, compiled
    Form.fused, Form.precision = fused, precision
    torch.backends.cudnn.benchmark = channels_last  # the forms that are tuned are tuned
    if device != "cpu":
        from tinygen.bench.cuda.clock import Clock
        from tinygen.bench.cuda.queues import OfTorch

        torch.cuda.init()
        Form.clock = Clock(OfTorch(torch))


def clock() -> Any:
    """What times a run; None: the host's clock."""
    return Form.clock


def about() -> dict[str, str]:
    """What figures of this process must be quoted with."""
    if Form.device == "cpu":
        return {}
    name, cuda, cudnn = torch.cuda.get_device_name(), torch.version.cuda, torch.backends.cudnn.version()
    return {"torch on": f"{name}, CUDA {cuda}, cuDNN {cudnn}"}


@contextmanager
def rounded(precision: str) -> Any:
    """Within the block float32 products are of that precision."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "float32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def autocast() -> AbstractContextManager[Any]:
    """Within the block layers compute in bfloat16, if that was asked for."""
    return torch.autocast(Form.device, torch.bfloat16, enabled=Form.precision == "bfloat16")


def placed(array: np.ndarray, image: bool = False) -> torch.Tensor:
    """The array as a tensor on the device, images in the layout that was asked for."""
    tensor = torch.tensor(array).to(Form.device)
    if image and Form.channels_last and tensor.ndim == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def host(tensor: torch.Tensor) -> np.ndarray:
    """A copy in NumPy."""
    return tensor.detach().cpu().numpy().copy()


class OperationRun:
    """An operation, forward and backward."""

    def __init__(self, operation: Operation) -> None:
        self.operation, self.backward = operation, operation.backward
        call = partial(operation.call, F)
        self.call = torch.compile(lambda inputs: call(inputs), mode=Form.compiled) if Form.compiled else call
        self.inputs = {name: placed(array, operation.images) for name, array in operation.arrays().items()}
        self.wanted = [self.inputs[name].requires_grad_() for name in operation.wanted]
        self.cotangent = placed(cotangent(tuple(self.call(self.inputs).shape)), operation.images)

    def __call__(self) -> Any:
        y = self.call(self.inputs)
        return (y, torch.autograd.grad(y, self.wanted, self.cotangent)) if self.backward else y

    def results(self) -> dict[str, np.ndarray]:
        if not self.operation.compared:
            return {}
        y = self.call(self.inputs)
        gradients = torch.autograd.grad(y, self.wanted, self.cotangent) if self.wanted else ()
        return {"value": host(y)} | {n: host(g) for n, g in zip(self.operation.wanted, gradients)}


class UpdateRun:
    """Adam on parameters whose gradients are given."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.parameters = {name: placed(array).requires_grad_() for name, array in operation.arrays().items()}
        for parameter in self.parameters.values():
            parameter.grad = placed(cotangent(tuple(parameter.shape)))
        self.optimiser = torch.optim.Adam(self.parameters.values(), lr=RATE, fused=Form.fused or None)

    def __call__(self) -> Any:
        self.optimiser.step()

    def results(self) -> dict[str, np.ndarray]:
        """What the first step adds to the parameters."""
        first, before = UpdateRun(self.operation), self.operation.arrays()
        first()
        return {name: host(parameter) - before[name] for name, parameter in first.parameters.items()}


def given(name: str) -> Any:
    """The model of a step with this engine's weights."""
    model = torch_models.model(name)
    model.load_state_dict({key: torch.from_numpy(array) for key, array in weights.of(name).items()})
    model.to(Form.device)
    return model.to(memory_format=torch.channels_last) if Form.channels_last else model


class StepRun:
    """The losses of a family's model, each forward, backward and Adam, with noise that is given."""

    def __init__(self, name: str, batch: int | None = None) -> None:
        self.step = STEPS[name]
        self.model = given(name)
        self.written = [getattr(self.model, turn.loss) for turn in self.step.turns]
        self.losses = self.written
        if Form.compiled:
            self.losses = [torch.compile(loss, mode=Form.compiled) for loss in self.losses]
        self.parameters = self.step.weights(self.model)
        fused = Form.fused or None  # None leaves the choice to PyTorch, as installed
        self.optimisers = [torch.optim.Adam(named.values(), lr=self.step.lr, fused=fused) for named in self.parameters]
        self.resize(batch)

    def resize(self, batch: int | None) -> None:
        """From now on batches of `batch` examples; of as many as belong in one when it is None."""
        self.batch = {name: placed(array, True) for name, array in self.step.batch(batch).items()}
        self.noise = {name: placed(array, True) for name, array in self.step.noise(batch).items()}

    def __call__(self) -> Any:
        descended = []
        with rounded(Form.precision):
            if Form.compiled:
                torch.compiler.cudagraph_mark_step_begin()
            for optimiser, loss in zip(self.optimisers, self._backward(self.losses)):
                optimiser.step()
                optimiser.zero_grad()
                descended.append(loss.detach())
            if self.step.after is not None:
                self.model.after_step()
        return descended

    def _backward(self, losses: Any) -> Any:
        for loss, named in zip(losses, self.parameters):
            with autocast():
                value = loss(self.batch, self.noise)
            value.backward(inputs=list(named.values()))
            yield value

    def results(self) -> dict[str, np.ndarray]:
        """In float32 and not compiled, whatever is timed."""
        found: dict[str, np.ndarray] = {}
        before, Form.precision = Form.precision, "float32"
        try:
            with rounded("float32"):
                for turn, named, loss in zip(self.step.turns, self.parameters, self._backward(self.written)):
                    found[turn.loss] = host(loss)
                    found |= {n: host(p.grad) for n, p in named.items() if n not in self.step.no_gradient}
                    for parameter in named.values():
                        parameter.grad = None
        finally:
            Form.precision = before
        return found


class SamplingRun:
    """Samples of a family's model, from noise that is given."""

    def __init__(self, name: str, n: int = BATCH) -> None:
        case = SAMPLING[name]
        model = given(case.step).eval()
        self.sample = torch.compile(model.sample, mode=Form.compiled) if Form.compiled else model.sample
        self.noise = {name: placed(array, True) for name, array in case.noise(n).items()}

    def __call__(self) -> Any:
        return self.sample(self.noise)

    def results(self) -> dict[str, np.ndarray]:
        return {"samples": host(self())}


class KernelRun:
    """What a kernel of this engine does, on tensors of the device, recorded as a graph where it is timed."""

    as_graph = True

    def __init__(self, case: Kernel) -> None:
        if case.theirs is None:
            raise Absent("PyTorch has no such thing")
        self.case, self.theirs = case, case.theirs
        self.work: Any = None

    def _prepared(self, halved: bool) -> Any:
        """The call without its arguments: the forward pass, or the gradients of one that is done already."""
        case = self.case
        a = {name: placed(array, name in case.images) for name, array in case.arrays().items()}
        if halved:
            a = {name: t.bfloat16() if t.dtype == torch.float32 else t for name, t in a.items()}
        if not case.wrt:
            return lambda: self.theirs(torch, a)
        wanted = [a[name].requires_grad_() for name in case.wrt]
        y = self.theirs(torch, a)
        return lambda: torch.autograd.grad(y, wanted, a["g"], retain_graph=True)

    def __call__(self) -> Any:
        with rounded(Form.precision):
            if self.work is None:
                self.work = self._prepared(Form.precision == "bfloat16")
            return self.work()

    def results(self) -> dict[str, np.ndarray]:
        """In float32, whatever is timed."""
        with rounded("float32"):
            found = self._prepared(False)()
        if not self.case.compared:
            return {}
        outputs = found if isinstance(found, list | tuple) else [found]
        return {str(i): host(thinned(y)).astype(np.float64) for i, y in enumerate(outputs)}


def operation(chosen: Operation) -> OperationRun | UpdateRun:
    return UpdateRun(chosen) if chosen.updates else OperationRun(chosen)


step, sampling, kernel = StepRun, SamplingRun, KernelRun
