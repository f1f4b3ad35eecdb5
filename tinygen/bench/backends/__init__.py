"""The libraries that are timed: a module each, with

    setup(threads, **options)       before anything else in the process
    operation(op) -> Run            an operation of `operations.py`, forward and backward
    step(name) -> Run               a training step of `steps.py`

A `Run` is called to do the work once, and gives its results as NumPy arrays for comparison.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np


class Run(Protocol):
    """Work that can be timed, and what came of it."""

    def __call__(self) -> Any:
        """Do it once."""
        ...

    def results(self) -> dict[str, np.ndarray]:
        """Do it once more; its value and gradients by name."""
        ...


class Backend(NamedTuple):
    """A library as it is to be set up: one process."""

    name: str
    module: str
    package: str
    options: dict[str, Any]
    environment: dict[str, str]


MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
"""glibc's malloc told to keep memory, as `tinygen train` tells it (training/memory.py)."""

BACKENDS = {
    b.name: b
    for b in (
        Backend("tinygen", "tinygen.bench.backends.with_tinygen", "numpy", {}, {}),
        Backend("torch", "tinygen.bench.backends.with_torch", "torch", {}, {}),
        Backend("torch, malloc tuned", "tinygen.bench.backends.with_torch", "torch", {}, MALLOC),
        Backend("torch, channels last", "tinygen.bench.backends.with_torch", "torch", {"channels_last": True}, MALLOC),
        Backend("torch, compiled", "tinygen.bench.backends.with_torch", "torch", {"compiled": True}, MALLOC),
    )
}
"""Every way of running that is compared. PyTorch's tuned forms are there so that it is compared at its best."""
