"""Adam, AdamW and the moving average on a CUDA device, over all parameters in one launch: see update.cu.

`adam_update` and `ema_update` are those of definitions/update.py; `adam_update_all` and `ema_update_all` take lists.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..definitions.update import check_adam, check_ema
from .chunks import launch_all
from .launch import cupy

Array = Any


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
    launch_all("update/adam", (params, gradients, firsts, seconds), (0, 2, 3), on_device)


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
    launch_all("update/ema", (averages, values), (0,), float(1 - decay))
