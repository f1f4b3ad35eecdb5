"""Adam, AdamW and the moving average on a CUDA device, over all parameters in one launch: see update.cu.

The functions of definitions/update.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..capture import each_time
from ..definitions.update import check_adam, check_ema, check_one_dtype
from .chunks import launch_all
from .launch import arithmetic, cupy

Array = Any


def adam_update(p: Array, g: Array, m: Array, v: Array, **options: Any) -> None:
    """One step of Adam on one parameter: `adam_update_all` of lists of one."""
    adam_update_all([p], [g], [m], [v], lambda: options)


def adam_update_all(
    params: Sequence[Array],
    gradients: Sequence[Array],
    firsts: Sequence[Array],
    seconds: Sequence[Array],
    settings: Callable[[], Mapping[str, Any]],
    when: Array | None = None,
) -> None:
    """One step of Adam (AdamW if `decoupled`) on all parameters, with their moments, in place, in one launch.

    Raises:
        ValueError: shapes differ, or `step` is less than 1.
        TypeError: parameters of several dtypes.
    """
    check_one_dtype(params)
    for arrays in zip(params, gradients, firsts, seconds, strict=True):
        check_adam(*arrays, 1)
    step = each_time(lambda: _numbers(**settings()), (9,), arithmetic(params[0].dtype))
    launch_all("update/adam", (params, gradients, firsts, seconds), (0, 2, 3), step, *_condition(when))


def ema_update(average: Array, new: Array, decay: float) -> None:
    """average <- decay average + (1 - decay) new, in place."""
    ema_update_all([average], [new], decay)


def ema_update_all(averages: Sequence[Array], values: Sequence[Array], decay: float, when: Array | None = None) -> None:
    """`ema_update` of all pairs in one launch.

    Raises:
        ValueError: shapes differ.
        TypeError: averages of several dtypes.
    """
    check_one_dtype(averages)
    for average, new in zip(averages, values, strict=True):
        check_ema(average, new)
    launch_all("update/ema", (averages, values), (0,), float(1 - decay), *_condition(when))


def _numbers(
    lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, step: int, decoupled: bool
) -> np.ndarray:
    """`Step` of update.cu."""
    if step < 1:
        raise ValueError(f"Adam counts steps from 1, not {step}")
    numbers = [beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), 1 / (1 - beta2**step), eps]
    return np.array([*numbers, *((0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0))])


def _condition(when: Array | None) -> tuple[Array | None, int]:
    return (None, 0) if when is None else (cupy().ascontiguousarray(when, dtype="float64"), when.size)
