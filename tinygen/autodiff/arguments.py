"""What an operation is given: numbers, lists, NumPy's arrays and tensors, as the arrays that its forward computes with,
and as its node retains them.

Held by tests/autodiff/test_primitive.py and tests/test_tensor.py.
"""

import operator
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from tinygen.autodiff import guard
from tinygen.autodiff.tape import Node
from tinygen.tensor import Tensor, asarray, float32

broadcast_shapes = lru_cache(maxsize=4096)(np.broadcast_shapes)
"""The shape that shapes broadcast to together, found once for each combination."""

NUMBERS = (float, int, bool, type(None))
_PLAIN = frozenset([*NUMBERS, str, slice])  # no array is in them


def nodes_of(values: Any) -> tuple[Node | None, ...] | None:
    """The nodes of several arguments or of a list of tensors; None where none of them carries a gradient."""
    if not isinstance(values, (list, tuple)):
        return None
    nodes = tuple([v._node if isinstance(v, Tensor) else None for v in values])
    return nodes if any(nodes) else None


def arrays_in(values: Iterable[Any]) -> list[Any]:
    """The raw arrays among what a node retains, inside lists and tuples too."""
    found: list[Any] = []
    for value in values:
        if type(value) in _PLAIN:  # most are
            continue
        if isinstance(value, Tensor):
            found.append(value._data)
        elif isinstance(value, (list, tuple)):
            found += arrays_in(value)
        elif hasattr(value, "dtype") and hasattr(value, "base"):
            found.append(value)
    return found


def array_argument(value: Any) -> Any:
    """What a forward that is not elementwise sees in place of a number, of nested numbers, or of a list of tensors."""
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) or hasattr(v, "dtype") for v in value):
        return [v._data if isinstance(v, Tensor) else asarray(v) for v in value]
    return value if value is None else asarray(value)


def number(value: Any) -> Any:
    """NumPy's scalars as Python numbers, which leave the dtype of arrays alone."""
    return value.item() if isinstance(value, np.generic) else value


def ints(given: Any) -> Any:
    """An int, or ints in tuples, lists, ranges, arrays and tensors, as an int or tuples, by which things are looked up;
    None is itself.

    Raises:
        TypeError: a float, even a whole one, which would be found where its int was.
    """
    if given is None or type(given) is int:
        return given
    if isinstance(given, (list, tuple, range)):
        return tuple([ints(v) for v in given])
    return ints(given.tolist()) if hasattr(given, "tolist") else operator.index(given)


@lru_cache(maxsize=4096)
def sorted_axes(ndim: int, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """`axis` (None for all, an int, or several) as a sorted tuple of non-negative ints.

    Raises:
        ValueError: an axis out of range or given twice.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for a in axis if isinstance(axis, tuple) else (axis,):
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} is out of range for {ndim} dimensions")
        axes.append(operator.index(a) % ndim)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {tuple(axes)} names a dimension twice")
    return tuple(sorted(axes))


def retained(argument: Any, raw: Any) -> Any:
    """An argument as a vjp will see it: a differentiable array as a tensor, a user's own array watched from now on."""
    if isinstance(argument, Tensor):
        return argument
    if type(raw) is list and isinstance(argument, (list, tuple)):
        return [retained(a, r) for a, r in zip(argument, raw)]
    if isinstance(raw, tuple):
        for part in raw:
            if type(part) not in _PLAIN:
                retained(part, part)  # an index that holds arrays
    elif hasattr(raw, "dtype") and hasattr(raw, "base") and not isinstance(raw, np.generic):  # which nobody can change
        if raw is argument:
            guard.expose(raw)
        return Tensor(raw)
    return raw


def promoted(raw: list[Any], tensor_positions: tuple[int, ...]) -> list[Any]:
    """Arguments of an elementwise operation. Numbers, NumPy's too, take the arrays' dtype, and count as float32 beside
    integers; integer arrays take the floating dtype (not float64, as NumPy would have it); float32 with float64 gives
    float64."""
    raw = [asarray(a) if isinstance(a, (list, tuple)) else a for a in raw]
    arrays = [a for a in raw if hasattr(a, "base") and not isinstance(a, np.generic)]
    if not arrays:
        return [asarray(a) if i in tensor_positions or len(raw) == 1 else a for i, a in enumerate(raw)]
    raw = [number(value) for value in raw]
    floats = {a.dtype for a in arrays if a.dtype.kind == "f"}
    if not floats and not any(type(a) is float for a in raw):
        return raw
    wide = max(floats, key=lambda dtype: dtype.itemsize, default=float32)
    places = [hasattr(a, "dtype") and a.dtype.kind in "iub" and i in tensor_positions for i, a in enumerate(raw)]
    return [a.astype(wide) if convert else a for a, convert in zip(raw, places)]


def beside_bfloat16(raw: list[Any], tensor_positions: tuple[int, ...]) -> list[Any]:
    """Numbers and integers beside bfloat16 as float32, of which more than 8 bits count."""

    def wide(a: Any) -> Any:
        if type(a) in (float, int):
            return np.float32(a)
        return a.astype(float32) if getattr(a, "dtype", float32).kind in "iu" else a

    return [wide(a) if i in tensor_positions else a for i, a in enumerate(raw)]
