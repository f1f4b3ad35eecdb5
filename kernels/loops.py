"""How arrays that broadcast against each other are gone through: few loops, the innermost over neighbours in memory.

Axes that are neighbours for every array alike become one loop; where an array repeats, its stride is 0. Mostly one
loop is left, or two: coefficients (N, 1, 1, 1) beside images (N, C, H, W) give N times C H W, with strides (1, 0) and
(C H W, 1). Held by tests/kernels/test_fusion.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np

from .array_module import xp

MOST = 3  # loops
_SHORT = 8  # an innermost loop below this is not worth its start: what repeats is written out instead

Steps = tuple[int, ...]


@dataclass(frozen=True, eq=False)  # equal when they are the same ones
class Loops:
    """`sizes` of the three loops, the outermost first; of each array, its `steps` in them, in elements.

    The innermost step is 0, 1 or, backwards, -1. `axes` is the order in memory, outermost first, of the axes of what is
    written.
    """

    sizes: Steps
    steps: tuple[Steps, ...]
    axes: Steps

    @cached_property
    def count(self) -> int:
        """How many entries there are."""
        return prod(self.sizes)

    def new(self, module: Any, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Any]:
        """A new array of `shape`: as one piece of memory that the loops go along, and as the caller sees it."""
        if self.in_order:
            memory = module.empty(shape, dtype)
            return memory, memory
        memory = module.empty([shape[i] for i in self.axes], dtype)
        return memory, memory.transpose([self.axes.index(i) for i in range(len(shape))])

    @cached_property
    def in_order(self) -> bool:
        """Whether the axes lie in memory as they are counted."""
        return self.axes == tuple(range(len(self.axes)))


def is_array(value: Any) -> bool:
    """Whether it has entries in memory: no number, NumPy's neither."""
    return hasattr(value, "shape") and not isinstance(value, np.generic)


def loops_over(
    arrays: Sequence[Any], shape: tuple[int, ...], first_apart: bool = False, in_one_piece: bool = False
) -> tuple[Loops, list[Any]]:
    """The loops over `arrays`, which broadcast to `shape` (of at least one entry), and the arrays as they are read.

    An array is copied where its innermost step would be none of these, a step no whole number of elements, or there
    would be more than three loops.

    Args:
        first_apart: axis 0 has the outermost loop to itself.
        in_one_piece: every array is handed on as one piece of memory in the loops' order.
    """
    forms = tuple([(a.shape, a.strides, a.itemsize) for a in arrays])
    loops, copies = planned(forms, shape, first_apart, in_one_piece)
    return loops, copied(loops, copies, arrays, shape, in_one_piece)


def copied(
    loops: Loops, copies: Sequence[str], arrays: Sequence[Any], shape: tuple[int, ...], in_one_piece: bool = False
) -> list[Any]:
    """The arrays as they are read: each as it is, or copied as `copies` says (see `planned`)."""
    read = []
    for a, copy in zip(arrays, copies):
        if copy == "written out":
            memory, seen = loops.new(xp(a), shape, a.dtype)
            seen[...] = a
            read.append(memory)
        elif copy == "in one piece" or in_one_piece:
            read.append(xp(a).ascontiguousarray(a.transpose(_own(loops.axes, a.ndim))))
        else:
            read.append(a)
    return read


Form = tuple[tuple[int, ...], tuple[int, ...], int]  # shape, strides and size of an element, in bytes


@lru_cache(maxsize=4096)
def planned(
    forms: tuple[Form, ...], shape: tuple[int, ...], first_apart: bool, in_one_piece: bool
) -> tuple[Loops, tuple[str, ...]]:
    """The loops, and for each array "" or how it is copied."""
    leader = next((strides for own, strides, _ in forms if own == shape and 0 not in strides), None)
    axes = tuple(range(len(shape)))
    if leader is not None:
        axes = tuple(sorted(axes, key=lambda i: -abs(leader[i])))
    if first_apart:
        axes = (0, *(i for i in axes if i != 0))
    dense = _along(axes, shape, shape, compact(shape, axes))
    found, copies = [], []
    for own, strides, itemsize in forms:
        dense_steps = _along(axes, shape, own, compact(own, _own(axes, len(own))))
        steps = _along(axes, shape, own, [s // itemsize for s in strides])
        innermost = next((s for s, i in zip(steps[::-1], axes[::-1]) if shape[i] > 1), 0)
        whole = all(s % itemsize == 0 for s, n in zip(strides, own) if n > 1)  # no part of a record of other things
        fits = whole and (steps == dense_steps if in_one_piece else innermost in (-1, 0, 1))
        found.append(steps if fits else dense_steps)
        copies.append("" if fits else "in one piece")
    sizes, merged = _merged([shape[i] for i in axes], found, first_apart)
    if len(sizes) > MOST or (len(sizes) > 1 + first_apart and sizes[-1] < _SHORT):
        copies = ["" if steps == dense and not c else "written out" for steps, c in zip(found, copies)]
        sizes, merged = _merged([shape[i] for i in axes], [dense] * len(forms), first_apart)
    padding = (1,) * (MOST - len(sizes))
    steps_of = tuple((*(0 for _ in padding), *(loop[k] for loop in merged)) for k in range(len(forms)))
    return Loops((*padding, *sizes), steps_of, axes), tuple(copies)


def _own(axes: Sequence[int], ndim: int) -> list[int]:
    """The order `axes` for an array that lacks the first of them."""
    lacking = len(axes) - ndim
    return [i - lacking for i in axes if i >= lacking]


def compact(shape: tuple[int, ...], order: Sequence[int]) -> list[int]:
    """The steps, by axis, of an array that is one piece of memory in `order`."""
    steps, step = [0] * len(shape), 1
    for i in reversed(order):
        steps[i], step = step, step * shape[i]
    return steps


def _along(axes: Sequence[int], shape: tuple[int, ...], own: tuple[int, ...], steps: Sequence[int]) -> Steps:
    """`steps` of an array of shape `own` along `axes` of the `shape` it is broadcast to: 0 where it repeats."""
    lacking = len(shape) - len(own)
    return tuple([0 if i < lacking or own[i - lacking] == 1 else steps[i - lacking] for i in axes])


def _merged(sizes: list[int], steps: Sequence[Steps], first_apart: bool) -> tuple[list[int], list[list[int]]]:
    """Fewer loops over the same entries, and each array's steps in them, loop by loop."""
    kept: list[int] = []
    merged: list[list[int]] = []
    for i, size in enumerate(sizes):
        own = [s[i] for s in steps]
        if size == 1 and not (first_apart and i == 0):
            continue
        if len(kept) > first_apart and all(outer == size * inner for outer, inner in zip(merged[-1], own)):
            kept[-1], merged[-1] = kept[-1] * size, own
        else:
            kept.append(size)
            merged.append(own)
    return kept, merged
