"""Arrays joined along an axis, pieces copied out, arrays brought into C order: large float32 ones on every thread.

What depends on shapes and layouts alone is found once. The same functions as kernels/definitions/joining.py, held to
them by tests/kernels/test_joining.py.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np

from ..definitions import joining as definition
from ..definitions.arithmetic import LARGE
from ..loops import compact

Array = np.ndarray
Sizes = tuple[int, ...]

_FLOAT = np.dtype(np.float32)


@lru_cache(maxsize=1024)
def memory_order(steps: Sizes, axis: int) -> tuple[Sizes, int, Sizes]:
    """The axes in the order of memory, the place of `axis` among them, and the order that brings them back."""
    order = sorted(range(len(steps)), key=lambda i: -abs(steps[i]))
    return tuple(order), order.index(axis), tuple(np.argsort(order).tolist())


def _distance(shape: Sizes, steps: Sizes, order: Sequence[int], place: int) -> int | None:
    """The distance between the rows of float32, the axes taken in `order` and those from `place` on being a row's.

    None where the entries of a row are not adjacent or rows are not all at one distance.
    """
    step = 1
    for i in reversed(order[place:]):
        if shape[i] > 1 and steps[i] != step * _FLOAT.itemsize:
            return None
        step *= shape[i]
    distance = None
    for i in reversed(order[:place]):
        if shape[i] > 1:
            if distance is None:
                distance = step = steps[i] // _FLOAT.itemsize
            if steps[i] != step * _FLOAT.itemsize:
                return None
            step *= shape[i]
    return step if distance is None else distance


def _with(shape: Sizes, axis: int, size: int, order: Sizes) -> Sizes:
    """The sizes in memory of what is `size` along `axis`."""
    return tuple([size if i == axis else shape[i] for i in order])


@lru_cache(maxsize=512)
def _join_rows(layouts: tuple[tuple[Sizes, Sizes], ...], axis: int) -> Callable[[Sequence[Array]], Array] | None:
    """How large arrays of these shapes and steps are joined: as rows of memory; None where they are not."""
    order, place, back = memory_order(layouts[0][1], axis)
    distances = [_distance(shape, steps, order, place) for shape, steps in layouts]
    sizes = _with(layouts[0][0], axis, sum(shape[axis] for shape, _ in layouts), order)
    rows, width = math.prod(sizes[:place]), math.prod(sizes[place:])
    lengths = [math.prod(shape) // rows for shape, _ in layouts]
    starts = accumulate(lengths, initial=0)
    if None in distances or max(lengths) == 1:  # single entries NumPy copies four times as fast
        return None
    from .rows_copied import Copies  # Numba is loaded where it is needed first: small arrays do without

    copies = Copies(rows, [(n, d or 0, width, 0, start) for n, d, start in zip(lengths, distances, starts)])

    def run(arrays: Sequence[Array]) -> Array:
        out = np.empty(sizes, _FLOAT)
        copies.run([(x, out) for x in arrays])
        return out.transpose(back)

    return run


@lru_cache(maxsize=1024, typed=True)  # an axis of 1.0 is not found where one of 1 was
def _joined(shapes: tuple[Sizes, ...], steps: Sizes, itemsize: int, axis: int) -> tuple[bool, Sizes, int]:
    """Of arrays of these shapes, the first one with these steps: whether they are large together; the steps of what
    they are joined to, if it lies in memory as the first one; and the place of the axis."""
    place, shape = definition.along(shapes, axis)
    compacted = compact(shape, memory_order(steps, place)[0])
    return math.prod(shape) >= LARGE, tuple([step * itemsize for step in compacted]), place


def join(arrays: Sequence[Array], axis: int) -> Array:
    """`arrays`, of equal sizes but along `axis`, behind one another; laid out in memory as the first."""
    first = arrays[0]
    large, steps, place = _joined(tuple([x.shape for x in arrays]), first.strides, first.itemsize, axis)
    if large and all(x.dtype == _FLOAT for x in arrays):
        run = _join_rows(tuple([(x.shape, x.strides) for x in arrays]), place)
        if run is not None:
            return run(arrays)
    out = np.concatenate(arrays, place)
    if out.strides == steps:  # the first one's order, which NumPy keeps but where sizes of 1 let it choose
        return out
    order, place, back = memory_order(first.strides, place)
    return np.ascontiguousarray(np.concatenate([x.transpose(order) for x in arrays], place)).transpose(back)


@lru_cache(maxsize=512)
def _cut(dtype: np.dtype, shape: Sizes, steps: Sizes, sizes: Sizes, axis: int) -> Callable[[Array], tuple[Array, ...]]:
    """How an array is cut: into views that have no gaps, rows of memory if it is large and float32, or copies."""
    order, place, back = memory_order(steps, axis)
    ends = list(accumulate(sizes))
    indices = [(slice(None),) * axis + (slice(end - n, end),) for end, n in zip(ends, sizes)]
    x = np.lib.stride_tricks.as_strided(np.empty(0, dtype), shape, steps)  # nothing looks into it
    dense = [definition.without_gaps(x[index]) for index in indices]
    rows = dtype == _FLOAT and math.prod(shape) >= LARGE and not dense[0]
    distance = _distance(shape, steps, order, place) if rows else None
    made = [_with(shape, axis, n, order) for n in sizes]
    lengths = [math.prod(size[place:]) for size in made]
    if distance is None or max(lengths) == 1:
        each = list(zip(indices, dense))
        return lambda x: tuple([x[index] if whole else x[index].copy("K") for index, whole in each])
    from .rows_copied import Copies

    starts = [(end - n) * (steps[axis] // _FLOAT.itemsize) for end, n in zip(ends, sizes)]
    copies = Copies(math.prod(made[0][:place]), [(n, distance, n, start, 0) for n, start in zip(lengths, starts)])

    def run(x: Array) -> tuple[Array, ...]:
        found = [np.empty(size, _FLOAT) for size in made]
        copies.run([(x, y) for y in found])
        return tuple([y.transpose(back) for y in found])

    return run


def split(x: Array, sizes: Sequence[int], axis: int) -> tuple[Array, ...]:
    """x cut along `axis` into pieces of `sizes`, each without gaps in memory; see the definition."""
    return _cut(x.dtype, x.shape, x.strides, tuple(sizes), axis % x.ndim)(x)


def in_order(x: Array) -> Array:
    """x, contiguous in C order: itself, or a copy."""
    if x.size < LARGE or x.dtype != _FLOAT:
        return definition.in_order(x)
    from . import rows_copied

    return rows_copied.in_order(x)
