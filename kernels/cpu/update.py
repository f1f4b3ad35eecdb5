"""Adam, AdamW and the moving average of weights in one pass over memory, in place, on every thread.

The same functions as kernels/definitions/update.py, held to it by tests/kernels/test_update.py. The arithmetic
is in the arrays' own dtype. Arrays dense in any one order of axes (channels last, transposed) are updated where
they lie; one with gaps is left to the definition.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..array_module import in_memory
from ..definitions import update as definition
from .launch import doubles, floats, launch, task
from .threads import thread_count

Array = np.ndarray

SERIAL = 16384  # elements worth a thread


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
    """One step of Adam (AdamW if `decoupled`) on p, m and v, written in place; see the definition."""
    definition.check_adam(p, g, m, v, step)
    dense = _dense(p, (m, v), g)
    if dense is None:
        definition.adam_update(
            p, g, m, v, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, step=step,
            decoupled=decoupled,
        )  # fmt: skip
        return
    scalars = (
        1 - lr * weight_decay if decoupled else 1.0,
        0.0 if decoupled else weight_decay,
        1 - beta1,
        beta2,
        1 - beta2,
        lr / (1 - beta1**step),
        (1 - beta2**step) ** -0.5,
        eps,
    )
    launch(_ADAM[p.dtype.char], thread_count(p.size, SERIAL), *dense, np.array(scalars, p.dtype))


def adam_update_all(
    params: Sequence[Array],
    gradients: Sequence[Array],
    firsts: Sequence[Array],
    seconds: Sequence[Array],
    settings: Callable[[], Mapping[str, Any]],
    when: Array | None = None,
) -> None:
    """One step of Adam on all parameters, unless a number in `when` is not finite; see the definition."""
    options = settings()
    if not definition.refused(when):
        for arrays in zip(params, gradients, firsts, seconds, strict=True):
            adam_update(*arrays, **options)


def ema_update_all(averages: Sequence[Array], values: Sequence[Array], decay: float, when: Array | None = None) -> None:
    """`ema_update` of all pairs, unless a number in `when` is not finite; see the definition."""
    if not definition.refused(when):
        for average, new in zip(averages, values, strict=True):
            ema_update(average, new, decay)


def ema_update(average: Array, new: Array, decay: float) -> None:
    """average <- decay average + (1 - decay) new, in place; see the definition."""
    definition.check_ema(average, new)
    dense = _dense(average, (), new) if decay else None
    if dense is None:
        definition.ema_update(average, new, decay)
        return
    share = np.array([1 - decay], average.dtype)
    launch(_EMA[average.dtype.char], thread_count(average.size, SERIAL), *dense, share)


def _dense(first: Array, others: tuple[Array, ...], read: Array) -> tuple[Array, ...] | None:
    """Flat views (first, read, *others) in the memory order of `first`; None if one that is written has gaps.

    `read`, which is only read, is copied if it lies otherwise.
    """
    everything = (first, *others, read)
    if all(x.flags.c_contiguous and x.dtype == first.dtype for x in everything):
        return first.reshape(-1), read.reshape(-1), *(x.reshape(-1) for x in others)
    order = in_memory(first)
    written = [x.transpose(order) for x in (first, *others)]
    if not all(x.flags.c_contiguous and x.dtype == first.dtype for x in written):
        return None
    flat = [x.reshape(-1) for x in written]
    return flat[0], np.ascontiguousarray(read.transpose(order), first.dtype).reshape(-1), *flat[1:]


_contracting = partial(task, fastmath={"contract"})


@_contracting
def _adam(block, part, parts):
    """Arguments: p, g, m, v; the scalars of `adam_update`, in the arrays' dtype."""
    p, scalars = floats(block, 0), floats(block, 4)
    own = slice(p.size * part // parts, p.size * (part + 1) // parts)
    p, g, m, v = p[own], floats(block, 1)[own], floats(block, 2)[own], floats(block, 3)[own]
    keep, penalty, new1, beta2 = scalars[0], scalars[1], scalars[2], scalars[3]
    new2, rate, correction, eps = scalars[4], scalars[5], scalars[6], scalars[7]
    for i in range(p.size):
        gradient = g[i] + penalty * p[i]
        m[i] += new1 * (gradient - m[i])
        v[i] = beta2 * v[i] + new2 * gradient * gradient
        p[i] = keep * p[i] - rate * m[i] / (np.sqrt(v[i]) * correction + eps)


@_contracting
def _ema(block, part, parts):
    """Arguments: the average, what is new, the share of that."""
    average, share = floats(block, 0), floats(block, 2)[0]
    own = slice(average.size * part // parts, average.size * (part + 1) // parts)
    average, new = average[own], floats(block, 1)[own]
    for i in range(average.size):
        average[i] += share * (new[i] - average[i])


_ADAM = {"f": _adam, "d": _adam.variant("_adam_doubles", floats=doubles)}
_EMA = {"f": _ema, "d": _ema.variant("_ema_doubles", floats=doubles)}
