"""The norm of many arrays in one pass over each, and a factor for all of them: one launch, on every thread.

The same functions as kernels/definitions/norm.py, held to it by tests/kernels/test_norm.py. Squares are added up in
float64, in parts that do not depend on timing.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from math import sqrt

import numpy as np

from ..array_module import in_memory
from ..definitions import norm as definition
from .launch import doubles, floats, integer, launch, task
from .threads import thread_count

Array = np.ndarray

SERIAL = 65536  # elements worth a thread


def gradient_norm(arrays: Sequence[Array]) -> Array:
    """The root of the sum of all squares, of shape (); see the definition."""
    if not arrays:
        return definition.gradient_norm(arrays)
    total = 0.0
    for alike in _by_dtype([a.ravel(order="K") for a in arrays]):  # copied only where there are gaps
        parts = _parts(alike)
        sums = np.empty(parts)
        launch(_SUM[alike[0].dtype.char], parts, sums, len(alike), *alike)
        total += float(sums.sum())
    return np.asarray(sqrt(total), arrays[0].dtype)


def scale_all(arrays: Sequence[Array], factor: Array) -> None:
    """Multiplies all arrays in place by `factor`, of shape (); nothing is touched if it is 1."""
    if factor == 1:
        return
    dense = []
    for a in arrays:
        if a.transpose(in_memory(a)).flags.c_contiguous:
            dense.append(a)
        else:
            a *= a.dtype.type(factor)
    for alike in _by_dtype(dense):
        dtype = alike[0].dtype
        launch(_SCALE[dtype.char], _parts(alike), np.array([factor], dtype), len(alike), *alike)


def _by_dtype(arrays: Sequence[Array]) -> Iterator[list[Array]]:
    """Those of one dtype together: one launch is made for one."""
    found: dict[str, list[Array]] = {}
    for a in arrays:
        found.setdefault(a.dtype.char, []).append(a)
    yield from found.values()


def _parts(arrays: Sequence[Array]) -> int:
    return thread_count(sum(a.size for a in arrays), SERIAL)


@partial(task, fastmath={"reassoc", "contract"})
def _sum(block, part, parts):
    """Arguments: the sums of the parts; how many arrays; the arrays."""
    sums = doubles(block, 0)
    sums[part] = 0.0
    for k in range(2, 2 + integer(block, 1)):
        x = floats(block, k)
        x = x[x.size * part // parts : x.size * (part + 1) // parts]
        total = 0.0
        for i in range(x.size):
            total += np.float64(x[i]) * np.float64(x[i])
        sums[part] += total


@task
def _scale(block, part, parts):
    """Arguments: the factor, in the arrays' dtype; how many arrays; the arrays."""
    factor = floats(block, 0)[0]
    for k in range(2, 2 + integer(block, 1)):
        x = floats(block, k)
        for i in range(x.size * part // parts, x.size * (part + 1) // parts):
            x[i] *= factor


_SUM = {"f": _sum, "d": _sum.variant("_sum_doubles", floats=doubles)}
_SCALE = {"f": _scale, "d": _scale.variant("_scale_doubles", floats=doubles)}
