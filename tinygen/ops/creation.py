"""Arrays from nothing: zeros, ranges, grids. Floats are float32 unless a dtype is given."""

from functools import lru_cache
from typing import Any

import numpy as np

from tinygen.autodiff import guard
from tinygen.device import Device, constant, device_of, transfer
from tinygen.device import device as find_device
from tinygen.kernels.array_module import xp
from tinygen.ops.manipulation import as_tensor, repeated
from tinygen.tensor import ArrayLike, DTypeLike, Tensor, float32, is_of_caller, named
from tinygen.tensor import asarray as raw

Where = str | Device | None


def _module(device: Where) -> Any:
    """What makes arrays on the device: NumPy or CuPy."""
    if find_device(device).kind == "cpu":
        return np
    import cupy

    return cupy


def _made(table: np.ndarray, device: Where) -> Tensor:
    return Tensor(constant(table, find_device(device)))


def _default(dtype: DTypeLike) -> Any:
    return float32 if dtype is None else named(dtype)


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else tuple(int(n) for n in shape)


def asarray(x: ArrayLike, dtype: DTypeLike = None, device: Where = None, copy: bool | None = None) -> Tensor:
    """`x` as a tensor without gradient, on the same memory where nothing has to change unless `copy`.

    Raises:
        ValueError: copy=False, but the dtype or the device asks for one.
    """
    here: Any = x._data if isinstance(x, Tensor) else x
    array = raw(here, dtype)
    array = transfer(array, device_of(array) if device is None else find_device(device))
    shared = is_of_caller(array, here)
    if copy is False and not shared:
        raise ValueError(f"asarray: {type(x).__name__} cannot become what is asked without a copy")
    if shared and not isinstance(x, Tensor):
        guard.expose(array)  # the caller can still write into it
    return Tensor(array.copy() if copy and shared else array)


def zeros(*shape: Any, dtype: DTypeLike = None, device: Where = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape, given as one tuple or as sizes."""
    return Tensor(_module(device).zeros(_sizes(shape), _default(dtype)), requires_grad)


def ones(*shape: Any, dtype: DTypeLike = None, device: Where = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape, given as one tuple or as sizes."""
    return Tensor(_module(device).ones(_sizes(shape), _default(dtype)), requires_grad)


def empty(*shape: Any, dtype: DTypeLike = None, device: Where = None) -> Tensor:
    """An array of a shape with whatever the memory held."""
    return Tensor(_module(device).empty(_sizes(shape), _default(dtype)))


def full(
    shape: Any, fill_value: float, dtype: DTypeLike = None, device: Where = None, requires_grad: bool = False
) -> Tensor:
    """One value in every place."""
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    kind = raw(fill_value).dtype if dtype is None else named(dtype)
    return Tensor(_module(device).full(sizes, fill_value, kind), requires_grad)


def zeros_like(x: ArrayLike, dtype: DTypeLike = None) -> Tensor:
    """Zeros of x's shape, dtype and device."""
    array = as_tensor(x)._data
    return Tensor(xp(array).zeros_like(array, dtype=named(dtype)))


def ones_like(x: ArrayLike, dtype: DTypeLike = None) -> Tensor:
    """Ones of x's shape, dtype and device."""
    array = as_tensor(x)._data
    return Tensor(xp(array).ones_like(array, dtype=named(dtype)))


def empty_like(x: ArrayLike, dtype: DTypeLike = None) -> Tensor:
    """An array of x's shape, dtype and device with whatever the memory held."""
    array = as_tensor(x)._data
    return Tensor(xp(array).empty_like(array, dtype=named(dtype)))


def full_like(x: ArrayLike, fill_value: float, dtype: DTypeLike = None) -> Tensor:
    """One value in every place of x's shape, dtype and device."""
    array = as_tensor(x)._data
    return Tensor(xp(array).full_like(array, fill_value, dtype=named(dtype)))


def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: DTypeLike = None, device: Where = None
) -> Tensor:
    """Numbers from start (0 when one argument is given) to below stop."""
    if stop is None:
        start, stop = 0, start
    array = np.arange(start, stop, step, dtype=named(dtype))
    return _made(array.astype(float32) if dtype is None and array.dtype.kind == "f" else array, device)


def linspace(
    start: float, stop: float, num: int, dtype: DTypeLike = None, endpoint: bool = True, device: Where = None
) -> Tensor:
    """`num` numbers at equal distances from start to stop."""
    return _made(np.linspace(start, stop, num, endpoint=endpoint).astype(_default(dtype)), device)


def eye(n_rows: int, n_cols: int | None = None, k: int = 0, dtype: DTypeLike = None, device: Where = None) -> Tensor:
    """Ones on diagonal `k`, zeros elsewhere."""
    return _made(np.eye(n_rows, n_cols, k=k, dtype=_default(dtype)), device)


def meshgrid(*arrays: ArrayLike, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinates of a grid; the first two axes are exchanged when indexing is "xy", kept when it is "ij"."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f'meshgrid: indexing is "xy" or "ij", not {indexing!r}')
    tensors = [as_tensor(a) for a in arrays]
    apart, wide = _grid(tuple([t.size for t in tensors]), indexing == "xy")
    return tuple([repeated(t, own, wide) for t, own in zip(tensors, apart)])


@lru_cache(maxsize=256)
def _grid(sizes: tuple[int, ...], exchanged: bool) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """The shape of each of several rows of coordinates beside a grid, and that of the grid."""
    places = list(range(len(sizes)))
    if exchanged:
        places[:2] = places[:2][::-1]
    apart = [tuple([n if i == p else 1 for i in range(len(sizes))]) for n, p in zip(sizes, places)]
    return apart, tuple([sizes[p] for p in places])
