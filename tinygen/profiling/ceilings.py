"""The two rates that no operation exceeds for long, measured: copying an array and multiplying matrices (the roofline
model: Williams, Waterman and Patterson 2009).

An operation that does few FLOP for each byte it moves cannot be faster than memory, the others not faster than the
multiplying units. Arrays small enough for a cache can beat the first.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.device import CPU, Device, transfer

COPIED = {"cpu": 1 << 26, "cuda": 1 << 29}
"""Bytes: more than caches hold."""
SIDE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Ceilings:
    """Bytes copied a second (read and written: both count), and FLOP a second of a matrix product."""

    bandwidth: float
    flop_rate: float
    dtype: str


def measure(device: Device = CPU, dtype: Any = np.float32, repeats: int = 7) -> Ceilings:
    """The best of several, which is the one that nothing else disturbed. About half a second on a CPU."""
    size = COPIED[device.kind]
    source = transfer(np.ones(size // np.dtype(dtype).itemsize, dtype), device)
    target = source.copy()
    a = transfer(np.ones((SIDE[device.kind],) * 2, dtype), device)

    def copy() -> None:
        target[...] = source

    def multiply() -> None:
        kernels.matmul(a, a)  # type: ignore[attr-defined]

    copying = _best(copy, device, repeats)
    multiplying = _best(multiply, device, repeats)
    return Ceilings(2 * size / copying, 2 * len(a) ** 3 / multiplying, np.dtype(dtype).name)


def _best(work: Any, device: Device, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):  # the first compiles
        finish(device)
        start = time.perf_counter()
        work()
        finish(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def finish(device: Device) -> None:
    """Waits until the device has done what it was told to."""
    if device.kind == "cuda":
        import cupy

        cupy.cuda.get_current_stream().synchronize()
