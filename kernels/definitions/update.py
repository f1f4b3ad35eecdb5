"""Updates of parameters in place: Adam and AdamW, and the moving average of weights: the NumPy definition.

Adam (Kingma and Ba 2015, algorithm 1), in PyTorch's form, t = step counted from 1:

    g <- g + weight_decay p                        (coupled: L2 penalty)
    p <- p - lr weight_decay p                     (decoupled: AdamW, Loshchilov and Hutter 2019)
    m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2
    p <- p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)

The average: w <- decay w + (1 - decay) new. Computed in float64 and rounded once.
Held by tests/kernels/test_update.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from ..array_module import xp

Array = Any


def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    step: int,
    decoupled: bool,
) -> None:
    """One step of Adam (AdamW if `decoupled`) on p, m and v, written in place; all four of one shape.

    Raises:
        ValueError: shapes differ, or `step` is less than 1.
    """
    check_adam(p, g, m, v, step)
    np = xp(p)
    p64, g64, m64, v64 = (x.astype(np.float64) for x in (p, g, m, v))
    if decoupled:
        p64 = p64 - lr * weight_decay * p64
    else:
        g64 = g64 + weight_decay * p64
    m64 = beta1 * m64 + (1 - beta1) * g64
    v64 = beta2 * v64 + (1 - beta2) * g64 * g64
    m[...], v[...] = m64, v64
    p[...] = p64 - lr / (1 - beta1**step) * m64 / (np.sqrt(v64 / (1 - beta2**step)) + eps)


def adam_update_all(
    params: Sequence[Array],
    gradients: Sequence[Array],
    firsts: Sequence[Array],
    seconds: Sequence[Array],
    settings: Callable[[], Mapping[str, Any]],
    when: Array | None = None,
) -> None:
    """`adam_update` of all parameters, which are of one dtype, with their moments.

    Args:
        settings: gives the options, as `adam_update` takes them by name; asked once for each step, also when a step
            is run again from a graph (see kernels/capture.py).
        when: numbers (n,), float64; unless all are finite the arrays stay as they are.

    Raises:
        ValueError: shapes differ, or `step` is less than 1.
        TypeError: parameters of several dtypes.
    """
    check_one_dtype(params)
    options = settings()
    if not refused(when):
        for arrays in zip(params, gradients, firsts, seconds, strict=True):
            adam_update(*arrays, **options)


def ema_update_all(averages: Sequence[Array], values: Sequence[Array], decay: float, when: Array | None = None) -> None:
    """`ema_update` of all pairs, of one dtype; unless all numbers in `when` (n,) are finite nothing changes.

    Raises:
        ValueError: shapes differ.
        TypeError: averages of several dtypes.
    """
    check_one_dtype(averages)
    if not refused(when):
        for average, new in zip(averages, values, strict=True):
            ema_update(average, new, decay)


def refused(when: Array | None) -> bool:
    """Whether a number in `when` is not finite, as far as the host can tell without waiting for a device."""
    return isinstance(when, numpy.ndarray) and not numpy.isfinite(when).all()


def ema_update(average: Array, new: Array, decay: float) -> None:
    """average <- decay average + (1 - decay) new, in place; a copy of new, bit by bit, for decay 0.

    Raises:
        ValueError: the shapes differ.
    """
    check_ema(average, new)
    np = xp(average)
    if not decay:
        average[...] = new
        return
    w = average.astype(np.float64)
    average[...] = w + (1 - decay) * (new.astype(np.float64) - w)


def check_one_dtype(arrays: Sequence[Array]) -> None:
    """A TypeError unless all arrays have the first one's dtype: one launch is made for one."""
    if arrays and any(array.dtype != arrays[0].dtype for array in arrays):
        found = dict.fromkeys(str(array.dtype) for array in arrays)
        raise TypeError(f"parameters of one dtype are updated together, not {' and '.join(found)}")


def check_adam(p: Array, g: Array, m: Array, v: Array, step: int) -> None:
    if not p.shape == g.shape == m.shape == v.shape:
        raise ValueError(f"p, g, m and v are of one shape, not {p.shape}, {g.shape}, {m.shape} and {v.shape}")
    if step < 1:
        raise ValueError(f"Adam counts steps from 1, not {step}")


def check_ema(average: Array, new: Array) -> None:
    if average.shape != new.shape:
        raise ValueError(f"average and new are of one shape, not {average.shape} and {new.shape}")
