"""This engine, as `tinygen train` sets it up; on a CUDA device with steps captured as graphs or run one by one."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

import tinygen as tg
from tinygen import kernels, optim
from tinygen.bench.cuda.kernel import Kernel, thinned
from tinygen.bench.operations import RATE, Operation, cotangent
from tinygen.bench.steps import BATCH, SAMPLING, STEPS, Given, losses
from tinygen.device import CPU, Device, device, transfer
from tinygen.kernels.cpu.openblas import one_blas_thread
from tinygen.nn import functional
from tinygen.ops import elementwise, normalisation
from tinygen.ops.gate import gate
from tinygen.ops.losses import squared_distance_by_example
from tinygen.training.memory import keep_memory

F = SimpleNamespace(
    **{name: getattr(room, name) for room in (tg.ops, functional) for name in room.__all__},
    **{name: getattr(tg.linalg, name) for name in ("inv", "solve", "det", "slogdet", "cholesky", "trace", "norm")},
    coupling=tg.fused(lambda x, s, t: x * tg.exp(s) + t, name="coupling"),
    group_norm_silu=lambda x, groups, w, b: normalisation.group_norm(x, w, b, groups, 1e-5, True),
    conv2d_relu=lambda x, w, b: functional.conv2d(x, w, b, padding=1, negative_slope=0.0),
    dropout_half=partial(functional.dropout, rng=tg.random.Generator(0)),
    normal_cdf=elementwise.normal_cdf,
    squared_distance_by_example=squared_distance_by_example,
    gate=gate,
    pad_by_1=lambda x: tg.pad(x, (*((0, 0),) * (x.ndim - 2), (1, 1), (1, 1))),
)


class Form:
    """How everything runs that is made later."""

    device: Device = CPU
    captured = False
    precision = "float32"
    clock: Any = None
    training = ExitStack()  # what holds for the length of a run


def setup(threads: int, device_name: str = "cpu", captured: bool = False, precision: str = "float32") -> None:
    """Threads are set by NUMBA_NUM_THREADS in the environment, before anything is imported.

    Args:
        captured: steps are CUDA graphs.
        precision: of products on a CUDA device: float32, tf32, or bfloat16 (mixed precision).
    """
    keep_memory()
    Form.training.enter_context(one_blas_thread())
    Form.device, Form.captured, Form.precision = device(device_name), captured, precision
    if Form.device != CPU:
        from tinygen.bench.cuda.clock import Clock
        from tinygen.bench.cuda.queues import OfCupy

        Form.clock = Clock(OfCupy())


def clock() -> Any:
    """What times a run; None: the host's clock."""
    return Form.clock


def about() -> dict[str, str]:
    """What figures of this process must be quoted with."""
    from tinygen.bench.machine import of_cupy

    return {} if Form.device == CPU else of_cupy()


@contextmanager
def as_asked() -> Iterator[None]:
    """Within the block products are of the precision that was asked for."""
    products = kernels.precision("float32" if Form.precision == "float32" else "tf32")
    with products, tg.mixed_precision(Form.precision == "bfloat16"):
        yield


class OperationRun:
    """An operation, forward and backward."""

    def __init__(self, operation: Operation) -> None:
        self.operation, self.backward = operation, operation.backward
        self.call = partial(operation.call, F)
        self.inputs = {
            name: tg.Tensor(placed(array, operation.images and name in "xy"), requires_grad=name in operation.wanted)
            for name, array in operation.arrays().items()
        }
        self.wanted = [self.inputs[name] for name in operation.wanted]
        self.cotangent = tg.Tensor(placed(cotangent(self.call(self.inputs).shape), operation.images))

    def __call__(self) -> Any:
        y = self.call(self.inputs)
        return (y, tg.grad(y, self.wanted, self.cotangent)) if self.backward else y

    def results(self) -> dict[str, np.ndarray]:
        if not self.operation.compared:
            return {}
        y = self.call(self.inputs)
        gradients = tg.grad(y, self.wanted, self.cotangent) if self.wanted else ()
        return {"value": y.numpy()} | {n: g.numpy() for n, g in zip(self.operation.wanted, gradients)}


class UpdateRun:
    """Adam on parameters whose gradients are given."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.parameters = {n: tg.Tensor(placed(a, False), requires_grad=True) for n, a in operation.arrays().items()}
        for parameter in self.parameters.values():
            parameter.grad = tg.Tensor(cotangent(parameter.shape))
        self.optimiser = optim.Adam(self.parameters.values(), lr=RATE)

    def __call__(self) -> Any:
        self.optimiser.step()

    def results(self) -> dict[str, np.ndarray]:
        """What the first step adds to the parameters."""
        first, before = UpdateRun(self.operation), self.operation.arrays()
        first()
        return {name: parameter.numpy() - before[name] for name, parameter in first.parameters.items()}


class StepRun:
    """The losses of a family's model, each forward, backward and Adam, with noise that is given."""

    def __init__(self, name: str, batch: int | None = None) -> None:
        self.step = STEPS[name]
        self.model = self.step.model().to(Form.device)
        self.weights = self.step.weights(self.model)
        self.optimisers = [optim.Adam(named.values(), lr=self.step.lr) for named in self.weights]
        self.move: Any = self._move
        if Form.captured:
            from tinygen.capture import capture

            self.move = capture(self._move, device=Form.device)
        self.resize(batch)

    def resize(self, batch: int | None) -> None:
        """From now on batches of `batch` examples; of as many as belong in one when it is None."""
        self.batch, self.noise = (
            {name: transfer(array, Form.device) for name, array in given.items()}
            for given in (self.step.batch(batch), self.step.noise(batch))
        )

    def __call__(self) -> Any:
        return self.move(self.batch, self.noise)

    def _move(self, batch: Any, noise: Any) -> Any:
        descended = []
        with as_asked():
            for optimiser, (loss, gradients) in zip(
                self.optimisers, losses(self.step, self.model, self.weights, batch, Given(noise))
            ):
                for parameter, gradient in zip(optimiser.parameters(), gradients.values()):
                    parameter.grad = gradient
                optimiser.step()
                optimiser.zero_grad()
                descended.append(loss.detach())
        if self.step.after is not None:
            self.step.after(self.model)
        return descended

    def results(self) -> dict[str, np.ndarray]:
        """In float32, whatever is timed."""
        found = {}
        for turn, (loss, gradients) in zip(
            self.step.turns, losses(self.step, self.model, self.weights, self.batch, Given(self.noise))
        ):
            found[turn.loss] = loss.numpy()
            found |= {n: g.numpy() for n, g in gradients.items() if n not in self.step.no_gradient}
        return found


class SamplingRun:
    """Samples of a family's model, from noise that is given."""

    def __init__(self, name: str, n: int = BATCH) -> None:
        self.case, self.n = SAMPLING[name], n
        self.model = STEPS[self.case.step].model().eval()
        self.noise = self.case.noise(n)

    def __call__(self) -> Any:
        return self.case.sample(self.model, self.n, Given(self.noise))

    def results(self) -> dict[str, np.ndarray]:
        return {"samples": self().numpy()}


class KernelRun:
    """One kernel on arrays of the device, recorded as a graph where it is timed."""

    as_graph = True

    def __init__(self, case: Kernel) -> None:
        self.case = case
        self.arrays: Any = None

    def _prepared(self, halved: bool) -> Any:
        arrays = self.case.arrays()
        if halved:
            arrays = {n: a.astype(tg.bfloat16) if a.dtype == np.float32 else a for n, a in arrays.items()}
        for name, array in arrays.items():
            if name in self.case.images:  # CuPy would bring it into the order of its axes
                arrays[name] = transfer(array.transpose(0, 2, 3, 1), Form.device).transpose(0, 3, 1, 2)
            else:
                arrays[name] = transfer(array, Form.device)
        return arrays | self.case.left(kernels, arrays)

    def __call__(self) -> Any:
        with as_asked():
            if self.arrays is None:
                self.arrays = self._prepared(Form.precision == "bfloat16")
            return self.case.ours(kernels, self.arrays)

    def results(self) -> dict[str, np.ndarray]:
        """In float32, whatever is timed."""
        found = self.case.ours(kernels, self._prepared(False))
        if not self.case.compared:
            return {}
        outputs = found if isinstance(found, list | tuple) else [found]
        return {str(i): np.asarray(transfer(thinned(y), CPU), np.float64) for i, y in enumerate(outputs)}


def operation(chosen: Operation) -> OperationRun | UpdateRun:
    return UpdateRun(chosen) if chosen.updates else OperationRun(chosen)


step, sampling, kernel = StepRun, SamplingRun, KernelRun


def placed(array: np.ndarray, image: bool) -> np.ndarray:
    """Images (N, C, H, W) with their channels last in memory, as this engine's layers hand them on."""
    if not image or array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
