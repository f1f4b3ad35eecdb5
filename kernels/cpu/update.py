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
from .launch import doubles, floats, integer, launch, task
from .threads import thread_count

Array = np.ndarray

SERIAL = 1 << 16  # elements worth a thread's waking


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
    """One step of Adam (AdamW if `decoupled`) on all parameters, in one launch; see the definition."""
    definition.check_one_dtype(params)
    options = settings()
    if definition.refused(when):
        return
    dense: list[Array] = []
    for p, g, m, v in zip(params, gradients, firsts, seconds, strict=True):
        definition.check_adam(p, g, m, v, options["step"])
        flat = _dense(p, (m, v), g)
        if flat is None:
            definition.adam_update(p, g, m, v, **options)
        else:
            dense += flat
    _launch(_ADAM, dense, 4, _scalars(**options))


def ema_update(average: Array, new: Array, decay: float) -> None:
    """average <- decay average + (1 - decay) new, in place: `ema_update_all` of lists of one."""
    ema_update_all([average], [new], decay)


def ema_update_all(averages: Sequence[Array], values: Sequence[Array], decay: float, when: Array | None = None) -> None:
    """`ema_update` of all pairs, in one launch; see the definition."""
    definition.check_one_dtype(averages)
    if definition.refused(when):
        return
    dense: list[Array] = []
    for average, new in zip(averages, values, strict=True):
        definition.check_ema(average, new)
        flat = _dense(average, (), new) if decay else None
        if flat is None:
            definition.ema_update(average, new, decay)
        else:
            dense += flat
    _launch(_EMA, dense, 2, (1 - decay,))


def _scalars(
    lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, step: int, decoupled: bool
) -> tuple[float, ...]:
    """The numbers of `_adam`, in its order."""
    return (
        1 - lr * weight_decay if decoupled else 1.0,
        0.0 if decoupled else weight_decay,
        1 - beta1,
        beta2,
        1 - beta2,
        lr / (1 - beta1**step),
        (1 - beta2**step) ** -0.5,
        eps,
    )


def _launch(works: dict[str, task], arrays: list[Array], each: int, scalars: tuple[float, ...]) -> None:
    """The task for the arrays' dtype on all of them, `each` to a parameter."""
    if arrays:
        entries = sum(array.size for array in arrays[::each])
        numbers = np.array(scalars, arrays[0].dtype)
        launch(works[arrays[0].dtype.char], thread_count(entries, SERIAL), numbers, len(arrays) // each, *arrays)


def _dense(first: Array, others: tuple[Array, ...], read: Array) -> tuple[Array, ...] | None:
    """(first, read, *others), contiguous in the memory order of `first`; None if one that is written has gaps.

    `read`, which is only read, is copied if it lies otherwise.
    """
    dtype = first.dtype
    for x in (first, read, *others):
        if not x.flags.c_contiguous or x.dtype != dtype:
            break
    else:
        return first, read, *others
    order = in_memory(first)
    written = [x.transpose(order) for x in (first, *others)]
    if not all(x.flags.c_contiguous and x.dtype == dtype for x in written):
        return None
    return written[0], np.ascontiguousarray(read.transpose(order), dtype), *written[1:]


_contracting = partial(task, fastmath={"contract"})


@_contracting
def _adam(block, part, parts):
    """Arguments: the numbers of `_scalars`, in the arrays' dtype; how many parameters; p, g, m and v of each."""
    scalars = floats(block, 0)
    keep, penalty, new1, beta2 = scalars[0], scalars[1], scalars[2], scalars[3]
    new2, rate, correction, eps = scalars[4], scalars[5], scalars[6], scalars[7]
    for k in range(2, 2 + 4 * integer(block, 1), 4):
        p = floats(block, k)
        own = slice(p.size * part // parts, p.size * (part + 1) // parts)
        p, g, m, v = p[own], floats(block, k + 1)[own], floats(block, k + 2)[own], floats(block, k + 3)[own]
        for i in range(p.size):
            weight, first, second = p[i], m[i], v[i]  # all is read before anything is written
            gradient = g[i] + penalty * weight
            first += new1 * (gradient - first)
            second = beta2 * second + new2 * gradient * gradient
            m[i], v[i] = first, second
            p[i] = keep * weight - rate * first / (np.sqrt(second) * correction + eps)


@_contracting
def _ema(block, part, parts):
    """Arguments: the share of what is new; how many parameters; the average and what is new of each."""
    share = floats(block, 0)[0]
    for k in range(2, 2 + 2 * integer(block, 1), 2):
        average = floats(block, k)
        own = slice(average.size * part // parts, average.size * (part + 1) // parts)
        average, new = average[own], floats(block, k + 1)[own]
        for i in range(average.size):
            average[i] += share * (new[i] - average[i])


_ADAM = {"f": _adam, "d": _adam.variant("_adam_doubles", floats=doubles)}
_EMA = {"f": _ema, "d": _ema.variant("_ema_doubles", floats=doubles)}
