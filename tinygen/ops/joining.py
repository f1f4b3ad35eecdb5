"""Arrays joined along an axis, and one cut into pieces: each the other's adjoint."""

import itertools
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tinygen import kernels
from tinygen.autodiff.arguments import sorted_axes
from tinygen.autodiff.primitive import either, operation
from tinygen.ops.indexing import parts
from tinygen.ops.manipulation import reshape
from tinygen.tensor import ArrayLike, Tensor, as_tensor

Sizes = tuple[int, ...]

# Look-ups by an axis are `typed`: one of 1.0 is not found where one of 1 was.


@operation(
    arrays=either(
        lambda g, arrays_shape, axis: split(g, [shape[axis] for shape in arrays_shape], axis),
        lambda g, arrays_shape, axis: kernels.split(g, [shape[axis] for shape in arrays_shape], axis),  # type: ignore[attr-defined]
    ),
    moves=True,
    name="concat",
)
def _concat(arrays: Any, axis: int = 0) -> Any:
    if not len(arrays):
        raise ValueError("needs at least one array")
    return kernels.join(arrays, axis)  # type: ignore[attr-defined]


def concat(arrays: Sequence[ArrayLike], axis: int | None = 0) -> Tensor:
    """Arrays joined along an existing axis; all other sizes must be equal. axis=None joins their entries in a row."""
    return _concat([reshape(a, (-1,)) for a in arrays], 0) if axis is None else _concat(arrays, axis)


@lru_cache(maxsize=1024, typed=True)
def _slices(shape: Sizes, axis: int) -> list[tuple[Any, ...]]:
    before = _before("unstack", shape, axis)
    return [(*before, i) for i in range(shape[axis])]


def _before(who: str, shape: Sizes, axis: int) -> tuple[slice, ...]:
    """The index of all that lies along the axes before `axis`."""
    try:
        return (slice(None),) * sorted_axes(len(shape), operator.index(axis))[0]
    except ValueError as error:
        raise ValueError(f"{who}: {error}") from None


@operation(
    arrays=either(
        lambda g, axis: unstack(g, axis),
        lambda g, axis: [g[index] for index in _slices(g.shape, axis)],
    ),
    moves=True,
    name="stack",
)
def _stack(arrays: Any, axis: int = 0) -> Any:
    before, after, shape = _stacked(tuple([a.shape for a in arrays]), axis)
    seen = arrays if before is None else [a.reshape(before) for a in arrays]
    return kernels.join(seen, after).reshape(shape)  # type: ignore[attr-defined]


@lru_cache(maxsize=1024, typed=True)
def _stacked(shapes: tuple[Sizes, ...], axis: int) -> tuple[Sizes | None, int, Sizes]:
    """How arrays are stacked: the shape that they are brought into, where that is due; the axis that they are joined
    along then; and the shape of the stack."""
    if not shapes:
        raise ValueError("needs at least one array")
    shape = shapes[0]
    if len(set(shapes)) > 1:
        raise ValueError(f"shapes {' and '.join(map(str, shapes))} must be equal")
    (place,) = sorted_axes(len(shape) + 1, operator.index(axis))
    return (*shape, 1) if place == len(shape) else None, place, (*shape[:place], len(shapes), *shape[place:])


def stack(arrays: Sequence[ArrayLike], axis: int = 0) -> Tensor:
    """Arrays of one shape joined along a new axis.

    Raises:
        ValueError: no arrays, unequal shapes, or an axis out of range.
    """
    return _stack(list(arrays), axis)


def unstack(x: ArrayLike, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along `axis`."""
    x = as_tensor(x)
    return parts(x, _slices(x.shape, axis))


def split(x: ArrayLike, sizes: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """`x` cut along `axis` into pieces of the given size or sizes.

    Raises:
        ValueError: sizes that do not add up to that of the axis.
    """
    x = as_tensor(x)
    return parts(x, _pieces(x.shape, sizes if isinstance(sizes, int) else tuple(sizes), axis))


@lru_cache(maxsize=1024, typed=True)
def _pieces(shape: Sizes, sizes: int | Sizes, axis: int) -> list[tuple[slice, ...]]:
    before = _before("split", shape, axis)
    total = shape[axis]
    if isinstance(sizes, int):
        sizes = tuple([min(sizes, total - i) for i in range(0, total, sizes)])
    if sum(sizes) != total:
        raise ValueError(f"split: sizes {list(sizes)} add up to {sum(sizes)}, axis {axis} has {total}")
    return [(*before, slice(end - n, end)) for end, n in zip(itertools.accumulate(sizes), sizes)]
