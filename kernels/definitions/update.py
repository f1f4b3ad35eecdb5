"""Updates of parameters in place: Adam and AdamW, and the moving average of weights: the NumPy definition.

Adam (Kingma and Ba 2015, algorithm 1), in PyTorch's form, t = step counted from 1:

    g <- g + weight_decay p                        (coupled: L2 penalty)
    p <- p - lr weight_decay p                     (decoupled: AdamW, Loshchilov and Hutter 2019)
    m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2
    p <- p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)

The average: w <- decay w + (1 - decay) new. Computed in float64 and rounded once.
Held by tests/kernels/test_update.py.
"""

from typing import Any

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


def ema_update(average: Array, new: Array, decay: float) -> None:
    """average <- decay average + (1 - decay) new, in place.

    Raises:
        ValueError: the shapes differ.
    """
    check_ema(average, new)
    np = xp(average)
    w = average.astype(np.float64)
    average[...] = w + (1 - decay) * (new.astype(np.float64) - w)


def check_adam(p: Array, g: Array, m: Array, v: Array, step: int) -> None:
    if not p.shape == g.shape == m.shape == v.shape:
        raise ValueError(f"p, g, m and v are of one shape, not {p.shape}, {g.shape}, {m.shape} and {v.shape}")
    if step < 1:
        raise ValueError(f"Adam counts steps from 1, not {step}")


def check_ema(average: Array, new: Array) -> None:
    if average.shape != new.shape:
        raise ValueError(f"average and new are of one shape, not {average.shape} and {new.shape}")
