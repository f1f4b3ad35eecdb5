"""A CUDA device made of one CPU core: the project's .cu files compiled by g++ and run thread by thread, for tests.

    softmax = simulated("softmax")        # the functions of kernels/cuda/softmax.py, on NumPy arrays
    with order("reverse"):                # one thread order; otherwise each launch takes the next of the three
        y = softmax.softmax(x, 1)

`device.h` is CUDA's language for g++ and says how it works; `runtime.cpp` runs a grid and says what it checks. A fault
is a `Fault` that names the line. Held by test_simulator.py; how well it finds mistakes, by test_planted_bugs.py.
"""

import importlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from simulator.module import ORDERS, Fault, RawModule
from tinygen import kernels
from tinygen.kernels.cuda import launch

__all__ = ["ORDERS", "Fault", "RawModule", "everywhere", "needs_compiler", "order", "simulated", "version"]

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not here: .cu files cannot be run")


class _Device:
    """CuPy for kernels/cuda: NumPy, except that a new array is full of NaN and a module is compiled by g++."""

    def __init__(self) -> None:
        self.orders = itertools.cycle(ORDERS)
        self.launched: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def RawModule(self, code: str, options: tuple[str, ...]) -> RawModule:
        return RawModule(code, options, self._next_order)

    def _next_order(self, kernel: str) -> str:
        self.launched.add(kernel)
        return next(self.orders)

    def empty(self, shape: Any, dtype: Any) -> np.ndarray:
        return poisoned(np.empty(shape, dtype))

    def empty_like(self, array: np.ndarray, dtype: Any = None) -> np.ndarray:
        return poisoned(np.empty_like(array, dtype))


def poisoned(array: np.ndarray) -> np.ndarray:
    """The array with each byte 255: NaN of either size, -1 of the integers."""
    array[...] = np.frombuffer(b"\xff" * array.itemsize, array.dtype)
    return array


DEVICE = _Device()


@contextmanager
def order(name: str) -> Iterator[None]:
    """Within the block threads run in this one of `ORDERS`."""
    before, DEVICE.orders = DEVICE.orders, itertools.repeat(name)
    try:
        yield
    finally:
        DEVICE.orders = before


@contextmanager
def everywhere() -> Iterator[set[str]]:
    """Within the block every kernel of the project that is written in CUDA C++ runs here, whoever calls it.

    Gives the set, growing, of those that ran.
    """
    DEVICE.launched = set()
    with launch.instead_of_cupy(DEVICE), kernels.implementation("cuda"):
        yield DEVICE.launched


class simulated:
    """The functions of kernels/cuda/<module>.py, on NumPy arrays."""

    def __init__(self, module: str) -> None:
        self._module = importlib.import_module(f"tinygen.kernels.cuda.{module}")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with launch.instead_of_cupy(DEVICE):
                return function(*args, **kwargs)

        return call


def version(module: str) -> Any:
    """The simulated module as a value for `pytest.mark.parametrize`, skipped with a reason where g++ is missing."""
    return pytest.param(simulated(module), id="cuda", marks=needs_compiler)
