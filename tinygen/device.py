"""Where arrays live: the CPU (NumPy) or a CUDA device (CuPy)."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tinygen.kernels.capture import CaptureError, capturing
from tinygen.kernels.capture import constant as kept_constant


@dataclass(frozen=True)
class Device:
    """A place for arrays; compares equal to its name, as in `x.device == "cpu"`."""

    kind: str
    index: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other or (other == "cuda" and self.kind == "cuda" and self.index == 0)
        return isinstance(other, Device) and (self.kind, self.index) == (other.kind, other.index)

    def __hash__(self) -> int:
        return hash((self.kind, self.index))


CPU = Device("cpu")
OLDEST = (8, 0)  # compute capability from which on there are the instructions of kernels/cuda/ptx.cuh


@cache
def cuda_status() -> tuple[bool, str]:
    """Whether CUDA can be used, and the reason: `(True, "NVIDIA ...")` or `(False, "CuPy is not installed ...")`."""
    try:
        import cupy
    except ImportError:
        return False, "CuPy is not installed: pip install tinygen[gpu] (CUDA 13) or tinygen[gpu12] (CUDA 12)"
    except Exception as error:
        return False, f"CuPy does not load: {error}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        if not count:
            return False, "no CUDA device was found"
        found = cupy.cuda.runtime.getDeviceProperties(0)
        name, capability = found["name"].decode(), (found["major"], found["minor"])
        if capability < OLDEST:
            needed = "{}.{}".format(*OLDEST)
            return False, f"{name} has compute capability {capability[0]}.{capability[1]}, kernels need {needed} (A100)"
        return True, name
    except Exception as error:
        return False, f"no CUDA device can be used: {error}"


def device(name: "str | Device | None" = None) -> Device:
    """The device called `name`: "cpu", "cuda", "cuda:1" or "auto" (CUDA where it works, else the CPU, quietly).

    None reads the environment variable TINYGEN_DEVICE, else "cpu".

    Raises:
        ValueError: an unknown name.
        RuntimeError: CUDA was asked for by name and cannot be used; says why.
    """
    if isinstance(name, Device):
        return name
    name = name or os.environ.get("TINYGEN_DEVICE") or "cpu"
    kind, _, index = name.partition(":")
    if name == "cpu":
        return CPU
    if kind not in ("auto", "cuda") or (index and not (kind == "cuda" and index.isdigit())):
        raise ValueError(f'unknown device {name!r}: a device is "cpu", "cuda", "cuda:1" or "auto"')
    works, reason = cuda_status()
    if works:
        return Device("cuda", int(index or 0))
    if kind == "auto":
        return CPU
    raise RuntimeError(f"device {name!r} cannot be used: {reason}")


def device_of(array: Any) -> Device:
    return CPU if isinstance(array, np.ndarray | np.generic) else Device("cuda", array.device.id)


def transfer(array: Any, to: Device) -> Any:
    """`array` on the device `to`; itself when it is there already.

    Raises:
        CaptureError: a step is being captured, whose values are not known yet; `constant` takes a table along.
    """
    here = device_of(array)
    if here == to:
        return array
    if capturing():
        raise CaptureError(f"an array of shape {array.shape} would go from {here} to {to}")
    import cupy

    if to.kind == "cpu":
        return cupy.asnumpy(array)
    with cupy.cuda.Device(to.index):
        return cupy.asarray(array)


def constant(table: np.ndarray, on: Device) -> Any:
    """`table`, whose values never change, on the device `on`, for reading only; also where a step is being captured."""
    return table if on.kind == "cpu" else kept_constant(table)
