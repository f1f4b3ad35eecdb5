"""The norm of all gradients and a factor for all of them on a CUDA device: see norm.cu. The host waits for nothing.

Arrays of several dtypes take the definition.
"""

from collections.abc import Sequence
from typing import Any

from ..definitions import norm as definition
from .chunks import gathered, launch_all
from .launch import THREADS, arithmetic, cupy, launch

Array = Any


def gradient_norm(arrays: Sequence[Array]) -> Array:
    """The root of the sum of all squares: an array of shape () and of the first one's dtype."""
    device = cupy()
    if not arrays:
        return device.zeros((), "float32")
    if _mixed(arrays):
        return definition.gradient_norm(arrays)
    table, chunks, _held = gathered((arrays,))
    sums = device.empty(len(chunks), "float64")
    norm = device.empty((), arrays[0].dtype)
    launch("norm/chunk_squares", norm.dtype, len(chunks), THREADS, table, chunks, sums)
    launch("norm/root_of_sum", norm.dtype, 1, THREADS, sums, len(chunks), norm)
    return norm


def scale_all(arrays: Sequence[Array], factor: Array) -> None:
    """Multiplies all arrays in place by `factor`, of shape (), on the device; a factor of 1 changes nothing."""
    if _mixed(arrays):
        definition.scale_all(arrays, factor)
    elif arrays:
        launch_all("norm/scale", (arrays,), (0,), cupy().asarray(factor, arithmetic(arrays[0].dtype)))


def _mixed(arrays: Sequence[Array]) -> bool:
    """Whether dtypes differ, for which there is no launch."""
    return any(a.dtype != arrays[0].dtype for a in arrays)
