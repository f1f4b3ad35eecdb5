"""The libraries that are timed: a module each, with

    setup(threads, **options)       before anything else in the process
    about() -> dict                 what its figures must be quoted with, beside the machine
    clock()                         what times a run on its device (cuda/clock.py); None for the host's clock
    operation(op) -> Run            an operation of `operations.py`, of `survey/` or of `growth.py`
    step(name) -> Run               a training step of `steps.py`
    sampling(name) -> Run           samples of one of its models
    kernel(case) -> Run             a kernel of `cuda/`

A `Run` is called to do the work once, and gives its results as NumPy arrays for comparison. That of a step is told by
`resize(n)` to go on with batches of n examples. A `Run` whose `as_graph` is true is timed as a CUDA graph of itself.
"""

import importlib.util
import shutil
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np


class Run(Protocol):
    """Work that can be timed, and what came of it."""

    def __call__(self) -> Any:
        """Do it once."""
        ...

    def results(self) -> dict[str, np.ndarray]:
        """Do it once more; its value and gradients by name. No weight moves."""
        ...


class Absent(LookupError):
    """A case that a library has nothing for."""


@dataclass(frozen=True)
class Backend:
    """A library as it is to be set up: one process.

    `first_step` is the program that takes a first training step in a new process, where start-up is measured;
    `steps_alone` says that operations are no different in this form than in another.
    """

    name: str
    module: str
    package: str
    options: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    first_step: str = ""
    steps_alone: bool = False

    @property
    def compiled(self) -> bool:
        """Whether it compiles a case anew for each size."""
        return self.package == "jax" or bool(self.options.get("compiled"))

    def why_not(self) -> str | None:
        """Why it cannot be timed here; None where it can."""
        if importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed"
        if self.options.get("compiled") and not any(map(shutil.which, COMPILERS)):
            return f"torch.compile needs a compiler of C++, one of {', '.join(COMPILERS)}"
        return None

    def on_cuda(self, precision: str) -> "Backend":
        """The same on a CUDA device, with products of that precision."""
        device = {"device_name": "cuda"} if self.package == "cupy" else {"device": "cuda"}
        rounding = {"CUPY_TF32": str(int(precision != "float32"))}
        options = self.options | device | {"precision": precision}
        return replace(self, options=options, environment=self.environment | rounding)


COMPILERS = ("g++", "clang++", "c++")
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
"""glibc's malloc told to keep memory, as `tinygen train` tells it (training/memory.py)."""
OF_JAX = {"JAX_PLATFORMS": "cpu", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
"""The second says that a cache, where there is one, keeps whatever was compiled."""


def _torch(name: str, environment: dict[str, str], **options: Any) -> Backend:
    only_adam = options == {"fused": True}
    first = "" if options else "first_step_of_torch"
    return Backend(name, "tinygen.bench.backends.with_torch", "torch", options, environment, first, only_adam)


BACKENDS = {
    b.name: b
    for b in (
        Backend("tinygen", "tinygen.bench.backends.with_tinygen", "numpy", first_step="first_step_of_tinygen"),
        _torch("torch", {}),
        _torch("torch, malloc tuned", MALLOC),
        _torch("torch, fused Adam", MALLOC, fused=True),
        _torch("torch, channels last", MALLOC, fused=True, channels_last=True),
        _torch("torch, compiled", MALLOC, fused=True, compiled="default"),
        Backend("jax", "tinygen.bench.backends.with_jax", "jax", environment=OF_JAX, first_step="first_step_of_jax"),
    )
}
"""Every way of running that is compared: PyTorch as installed, then with its memory kept, and its faster forms so; JAX,
compiled."""


def _on_cuda(name: str, steps_alone: bool = False, **options: Any) -> Backend:
    return Backend(name, "tinygen.bench.backends.with_torch", "torch", options, steps_alone=steps_alone)


CUDA_BACKENDS = {
    b.name: b
    for b in (
        Backend("tinygen", "tinygen.bench.backends.with_tinygen", "cupy", {"captured": True}),
        Backend("tinygen, eager", "tinygen.bench.backends.with_tinygen", "cupy", steps_alone=True),
        _on_cuda("torch"),
        _on_cuda("torch, channels last", fused=True, channels_last=True),
        _on_cuda("torch, CUDA graphs", True, fused=True, channels_last=True, compiled="reduce-overhead"),
        _on_cuda("torch, max-autotune", True, fused=True, channels_last=True, compiled="max-autotune"),
    )
}
"""On a CUDA device: PyTorch eager, in its faster layout, and compiled, where its steps are CUDA graphs too."""
