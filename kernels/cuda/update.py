"""Adam, AdamW and the moving average on a CUDA device, over all parameters in one launch: see update.cu.

`adam_update` and `ema_update` are those of definitions/update.py; `adam_update_all` and `ema_update_all` take lists.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..definitions.update import check_adam, check_ema
from .launch import THREADS, ceil_div, cupy, launch

Array = Any

_CHUNK = 4096  # CHUNK in update.cu


def adam_update(p: Array, g: Array, m: Array, v: Array, **options: Any) -> None:
    """One step of Adam on one parameter: `adam_update_all` of lists of one."""
    adam_update_all([p], [g], [m], [v], **options)


def adam_update_all(
    params: Sequence[Array],
    gradients: Sequence[Array],
    firsts: Sequence[Array],
    seconds: Sequence[Array],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    step: int,
    decoupled: bool,
) -> None:
    """One step of Adam (AdamW if `decoupled`) on all parameters, with their moments, in place, in one launch.

    Raises:
        ValueError: shapes differ, or `step` is less than 1.
    """
    for arrays in zip(params, gradients, firsts, seconds, strict=True):
        check_adam(*arrays, step)
    numbers = [beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), 1 / (1 - beta2**step), eps]
    numbers += [0.0, 1 - lr * weight_decay] if decoupled else [weight_decay, 1.0]
    # all numbers of the step in the memory of the device, as `Step` in update.cu
    on_device = cupy().asarray(np.array(numbers, params[0].dtype)) if params else None
    _launch("adam", (params, gradients, firsts, seconds), (0, 2, 3), on_device)


def ema_update(average: Array, new: Array, decay: float) -> None:
    """average <- decay average + (1 - decay) new, in place."""
    ema_update_all([average], [new], decay)


def ema_update_all(averages: Sequence[Array], values: Sequence[Array], decay: float) -> None:
    """`ema_update` of all pairs in one launch.

    Raises:
        ValueError: shapes differ.
    """
    for average, new in zip(averages, values, strict=True):
        check_ema(average, new)
    _launch("ema", (averages, values), (0,), float(1 - decay))


def _launch(name: str, lists: Sequence[Sequence[Array]], written: Sequence[int], last: Any) -> None:
    """The kernel over the tensors lists[0][i], lists[1][i], ... for all i; copies stand in for awkward memory."""
    if not lists[0]:
        return
    rows, copies = [], []
    for arrays in zip(*lists):
        views, dense = _dense(arrays)
        rows.append((*(map(_address, dense)), dense[0].size))
        copies += [(views[k], dense[k]) for k in written if dense[k] is not views[k]]
    table, chunks = _tables(cupy(), tuple(rows))
    launch(f"update/{name}", lists[0][0].dtype, len(chunks), THREADS, table, chunks, last)
    for view, copy in copies:
        view[...] = copy.reshape(view.shape)


def _dense(arrays: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """The arrays with their axes in the order of the first one's memory, and each of them in one piece."""
    first = arrays[0]
    order = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    views = [a.transpose(*order) for a in arrays]
    return views, [cupy().ascontiguousarray(view, dtype=first.dtype) for view in views]


@lru_cache(maxsize=16)
def _tables(device: Any, rows: tuple[tuple[int, ...], ...]) -> tuple[Array, Array]:
    """On the device: the table of addresses and sizes, and the list of chunks (tensor, number)."""
    chunks = [(i, k) for i, row in enumerate(rows) for k in range(ceil_div(row[-1], _CHUNK))]
    table = np.array(rows, np.int64)
    return device.asarray(table), device.asarray(np.array(chunks, np.int64).reshape(-1, 2))


def _address(array: Array) -> int:
    """Where the array lies: CuPy's answer, or that of NumPy, whose arrays the tests' device has."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
