"""Shapes and places: nothing here changes a value, so each vjp is the operation that moves them back."""

import builtins
import math
import operator
from functools import lru_cache
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.autodiff.arguments import arrays_in, broadcast_shapes, ints, sorted_axes
from tinygen.autodiff.backward import sum_to
from tinygen.autodiff.primitive import either, operation
from tinygen.device import device, device_of, transfer
from tinygen.kernels.array_module import xp
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.tensor import ArrayLike, Tensor, as_tensor, float32, named


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(map(int, shape)) if isinstance(shape, tuple | list) else (int(shape),)


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    """`reshape` of an array, copying on every thread where it must copy what is large."""
    if x.size >= LARGE and not x.flags.c_contiguous and xp(x) is np:
        try:
            return x.reshape(shape, copy=False)
        except (TypeError, ValueError):  # it must be copied; or NumPy is 2.0, which cannot say
            x = kernels.in_order(x)  # type: ignore[attr-defined]
    return x.reshape(shape)


_BACK = either(lambda g, x_shape: reshape(g, x_shape), lambda g, x_shape: _reshaped(g, x_shape))


@operation(x=_BACK, moves=True)
def reshape(x: Any, shape: Any) -> Any:
    """The same entries in another shape; one size may be -1."""
    try:
        return _reshaped(x, shape if type(shape) is tuple else _shape(shape))
    except ValueError:
        raise ValueError(
            f"shape {x.shape} ({x.size} entries) does not fit {shape}: the products of the sizes must be equal, "
            "and one size at most may be -1"
        ) from None


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    inverse = [0] * len(axes)
    for i, axis in enumerate(axes):
        inverse[axis] = i
    return tuple(inverse)


@operation(
    x=either(lambda g, axes: permute_dims(g, _inverse(axes)), lambda g, axes: g.transpose(_inverse(axes))),
    moves=True,
)
def permute_dims(x: Any, axes: tuple[int, ...]) -> Any:
    """The dimensions in the order `axes`; a view."""
    try:
        return x.transpose(axes)
    except ValueError:
        raise ValueError(f"axes {tuple(axes)} are not an order of the {x.ndim} dimensions of shape {x.shape}") from None


@lru_cache(maxsize=1024)
def _repeating(shape: tuple[int, ...], strides: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array seen as one of the shape `target`: NumPy takes eight times as long to find them."""
    return np.broadcast_to(np.lib.stride_tricks.as_strided(np.empty(1), shape, strides), target).strides


@operation(x=lambda g: g, moves=True)
def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """The entries repeated to `shape`; a view. The engine sums the gradient back."""
    shape = shape if type(shape) is tuple else _shape(shape)
    try:
        if type(x) is np.ndarray and x.dtype is float32 and x.size and x.flags.c_contiguous:
            y = np.ndarray(shape, float32, x, 0, _repeating(x.shape, x.strides, shape))
            y.setflags(write=False)
            return y
        return xp(x).broadcast_to(x, shape)
    except ValueError:
        raise ValueError(
            f"shape {x.shape} cannot be broadcast to {tuple(shape)}: from the last axis backwards "
            "a size must be equal or 1"
        ) from None


@operation(
    x=either(lambda g, x_shape, apart, wide: reshape(sum_to(reshape(g, wide), apart), x_shape)),
    moves=True,
)
def repeated(x: Any, apart: tuple[int, ...], wide: tuple[int, ...], shape: tuple[int, ...] | None = None) -> Any:
    """x, seen as of the shape `apart`, repeated to the shape `wide`, a view; or that copied, as of `shape`."""
    y = broadcast_to.__wrapped__(x.reshape(apart), wide)
    if shape is None:
        return y
    # nothing repeated: y is x's own memory, and in order as it is
    copied = y.copy() if y.flags.c_contiguous else kernels.in_order(y)  # type: ignore[attr-defined]
    return copied.reshape(shape)


@operation(x=either(lambda g, axis: flip(g, axis)), moves=True)
def flip(x: Any, axis: Any = None) -> Any:
    """The entries in reverse order along `axis` (all axes when None); a view.

    Raises:
        ValueError: an axis out of range or given twice.
    """
    return x[_reversed(x.ndim, ints(axis))]


@lru_cache(maxsize=256)
def _reversed(ndim: int, axis: Any) -> tuple[slice, ...]:
    places = sorted_axes(ndim, axis)
    return tuple([slice(None, None, -1 if i in places else None) for i in range(ndim)])


@operation(
    x=either(lambda g, shift, axis: roll(g, _negative(shift), axis)),
    moves=True,
)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """The entries moved by `shift` places along `axis`, around the end; of the flattened array when None."""
    y = x.reshape(-1) if axis is None else x
    turns = _turns(y.shape, ints(shift), 0 if axis is None else ints(axis))
    for first, last in turns:
        turned = xp(x).empty_like(y)
        for to, of in (first, last):
            turned[to] = y[of]
        y = turned
    return y.reshape(x.shape) if turns else x.copy()


def _negative(shift: Any) -> Any:
    shift = ints(shift)
    return tuple([-s for s in shift]) if type(shift) is tuple else -shift


_Index = tuple[slice, ...]


@lru_cache(maxsize=256)
def _turns(shape: tuple[int, ...], shift: Any, axis: Any) -> list[list[tuple[_Index, _Index]]]:
    """For each shift, of as many as axes or one for all of these, where two blocks go, and where they come from."""
    turns = []
    for s, a in np.broadcast(shift, axis):
        (place,) = sorted_axes(len(shape), a)
        n, before = shape[place], (slice(None),) * place
        s = s % n if n else 0
        cuts = ((0, s), (n - s, n)), ((s, n), (0, n - s))
        turns.append([((*before, slice(*to)), (*before, slice(*of))) for to, of in cuts])
    return turns


@operation(x=lambda g: g, moves=True)
def astype(x: Any, dtype: Any) -> Any:
    """The values in another dtype; the gradient comes back in the first one."""
    return x.astype(named(dtype), copy=False)


@operation(x=lambda g, x_device: to_device(g, x_device), moves=True)
def _to_device(x: Any, target: Any, x_device: Any) -> Any:
    return transfer(x, target)


def to_device(x: Tensor, target: Any) -> Tensor:
    """`x` on another device; itself when it is there."""
    target = device(target)
    return x if device_of(x._data) == target else _to_device(x, target, device_of(x._data))


def to(x: Tensor, target: Any) -> Tensor:
    """`x` on a device or in a dtype: `x.to("cuda")`, `x.to("float64")`; itself when nothing changes."""
    if not isinstance(target, str) or target.partition(":")[0] not in ("auto", "cpu", "cuda"):
        try:
            dtype = np.dtype(named(target))
        except TypeError:
            if not isinstance(target, str):
                return to_device(x, target)
            raise ValueError(f'{target!r} is neither a device ("cpu", "cuda", "cuda:1", "auto") nor a dtype') from None
        return x if x.dtype == dtype else astype(x, dtype)
    return to_device(x, target)


@lru_cache(maxsize=1024)
def _bordered(
    shape: tuple[int, ...], widths: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, ...], _Index, list[_Index]]:
    """The shape of an array with a border, where within it the array is, and the border in parts."""
    size = tuple([before + n + after for n, (before, after) in zip(shape, widths)])
    inside = tuple([slice(before, before + n) for n, (before, _) in zip(shape, widths)])
    ends = [(i, slice(0, before), slice(before + n, None)) for i, (n, (before, _)) in enumerate(zip(shape, widths))]
    return size, inside, [(*inside[:i], end) for i, *two in ends for end, wide in zip(two, widths[i]) if wide]


@operation(
    x=either(lambda g, x_shape, widths: g[_bordered(x_shape, widths)[1]]),
    moves=True,
)
def _pad_constant(x: Any, widths: Any, value: float) -> Any:
    size, inside, border = _bordered(x.shape, widths)
    y = xp(x).empty_like(x, shape=size)  # laid out in memory as x, which numpy.pad's result is not
    y[inside] = x
    for edge in border:
        y[edge] = value
    return y


_PAD_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap", "replicate": "edge", "circular": "wrap"}


def pad(x: ArrayLike, widths: Any, mode: str = "constant", constant_values: float = 0.0) -> Tensor:
    """`x` with a border.

    Args:
        widths: one int for every side, or a pair (before, after) for each axis, as `numpy.pad` takes it.
        mode: "constant" (filled with `constant_values`), "reflect", "edge" ("replicate") or "wrap" ("circular").

    Raises:
        ValueError: an unknown mode, a negative width, or pairs that do not fit the number of axes.
    """
    x = as_tensor(x)
    try:
        pairs = _pairs(x.ndim, widths)
    except TypeError:  # not by value: `ints` of every border would take longer than small ones are filled
        pairs = _pairs(x.ndim, ints(widths))
    if mode == "constant":
        return _pad_constant(x, pairs, constant_values)
    if mode not in _PAD_MODES:
        raise ValueError(f'pad: unknown mode {mode!r}; there are "constant", {", ".join(map(repr, _PAD_MODES))}')
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            index = Tensor(_border_places(x.shape[axis], before, after, _PAD_MODES[mode]))
            x = x[(slice(None),) * axis + (index,)]
    return x


@lru_cache(maxsize=1024)
def _pairs(ndim: int, widths: Any) -> tuple[tuple[int, int], ...]:
    """(before, after) of each of `ndim` axes.

    Raises:
        TypeError: lists and arrays, which may change: nothing can be looked up by them.
        ValueError: widths that do not fit, or negative ones.
    """
    if arrays_in([widths]):
        raise TypeError("pad: widths in arrays may change")
    try:
        pairs = tuple([(int(a), int(b)) for a, b in np.broadcast_to(np.asarray(widths), (ndim, 2))])
    except ValueError:
        raise ValueError(
            f"pad: widths {widths} do not fit {ndim} dimensions: one pair (before, after) for each axis"
        ) from None
    if builtins.any(w < 0 for pair in pairs for w in pair):
        raise ValueError(f"pad: widths {widths} are negative; a border has at least 0 entries")
    return pairs


@lru_cache(maxsize=256)
def _border_places(size: int, before: int, after: int, mode: Any) -> np.ndarray:
    """Which of `size` entries stands where, with a border of a mode."""
    return np.pad(np.arange(size), (before, after), mode=mode)


# -- made of the above ---------------------------------------------------------------------------------------


@operation(x=_BACK, moves=True)
def expand_dims(x: Any, axis: Any = 0) -> Any:
    """A new axis of size 1 at `axis`, or several.

    Raises:
        ValueError: an axis out of range or given twice.
    """
    places = ints(axis)
    return x.reshape(_expanded(x.shape, places if type(places) is tuple else (places,)))


@lru_cache(maxsize=1024)
def _expanded(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    ndim = len(shape) + len(axes)
    places = sorted_axes(ndim, axes)
    sizes = iter(shape)
    return tuple([1 if i in places else next(sizes) for i in range(ndim)])


@operation(x=_BACK, moves=True)
def squeeze(x: Any, axis: Any = None) -> Any:
    """Without the axes of size 1 that `axis` names (all of them when None).

    Raises:
        ValueError: a named axis is not of size 1.
    """
    return x.reshape(_squeezed(x.shape, ints(axis)))


@lru_cache(maxsize=1024)
def _squeezed(shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple([n for n in shape if n != 1])
    drop = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))} if shape else set()
    for a in drop:
        if shape[a] != 1:
            raise ValueError(f"squeeze: axis {a} of shape {shape} has size {shape[a]}; only size 1 can be removed")
    return tuple([n for i, n in enumerate(shape) if i not in drop])


def moveaxis(x: ArrayLike, source: Any, destination: Any) -> Tensor:
    """Axes moved to other places; the rest keep their order."""
    x = as_tensor(x)
    places = [p if type(p) is tuple else (p,) for p in (ints(source), ints(destination))]
    return permute_dims(x, _moved(x.ndim, *places))


@lru_cache(maxsize=1024)
def _moved(ndim: int, source: tuple[int, ...], destination: tuple[int, ...]) -> tuple[int, ...]:
    source, destination = (tuple([p % ndim for p in places]) for places in (source, destination))
    order = [i for i in range(ndim) if i not in source]
    for d, s in sorted(zip(destination, source)):
        order.insert(d, s)
    return tuple(order)


def swapaxes(x: ArrayLike, axis0: int, axis1: int) -> Tensor:
    """Two axes exchanged."""
    x = as_tensor(x)
    order = list(range(x.ndim))
    order[axis0], order[axis1] = order[axis1], order[axis0]
    return permute_dims(x, tuple(order))


@operation(x=either(lambda g: matrix_transpose(g)), moves=True)
def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged; a view.

    Raises:
        ValueError: fewer than two dimensions.
    """
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: shape {x.shape} has fewer than 2 dimensions")
    return x.swapaxes(-2, -1)


def broadcast_arrays(*arrays: ArrayLike) -> tuple[Tensor, ...]:
    """All of the shape they broadcast to together; those that have it, as they are."""
    tensors = [as_tensor(a) for a in arrays]
    shape = broadcast_shapes(*[t.shape for t in tensors])
    return tuple([t if t.shape == shape else broadcast_to(t, shape) for t in tensors])


def tile(x: ArrayLike, repetitions: Any) -> Tensor:
    """`x` laid out `repetitions` times along each axis.

    Raises:
        ValueError: negative repetitions.
    """
    x = as_tensor(x)
    times = ints(repetitions)
    times = times if isinstance(times, tuple) else (times,)
    if min(times, default=0) < 0:
        raise ValueError(f"tile: repetitions {repetitions} are negative; there are at least 0")
    times = (1,) * (x.ndim - len(times)) + times
    shape = (1,) * (len(times) - x.ndim) + x.shape
    apart = tuple([v for n in shape for v in (1, n)])
    wide = tuple([v for t, n in zip(times, shape) for v in (t, n)])
    return repeated(x, apart, wide, tuple([t * n for t, n in zip(times, shape)]))


def repeat(x: ArrayLike, repeats: Any, axis: int | None = None) -> Tensor:
    """Each entry along `axis` repeated; of the flattened array when None.

    Args:
        repeats: how often, one count for all entries or one for each.

    Raises:
        ValueError: as many counts as neither of these, or a negative one.
    """
    flat = reshape(x, (-1,)) if axis is None else as_tensor(x)
    axis = 0 if axis is None else axis % flat.ndim
    before, n, after = flat.shape[:axis], flat.shape[axis], flat.shape[axis + 1 :]
    counts = np.asarray(repeats)
    if counts.size not in (1, n):
        raise ValueError(f"repeat: {counts.size} counts for axis {axis} of shape {flat.shape}: one, or one an entry")
    least = counts.item() if counts.size == 1 else counts.min(initial=0)
    if least < 0:
        raise ValueError(f"repeat: counts {repeats} are negative; an entry is repeated at least 0 times")
    if counts.size == 1:
        times = operator.index(least)
        return repeated(flat, (*before, n, 1, *after), (*before, n, times, *after), (*before, n * times, *after))
    index = np.repeat(np.arange(n), counts)
    return flat[(*(slice(None),) * axis, index)]


@operation(x=_BACK, moves=True)
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from `start_dim` to `end_dim` as one."""
    return _reshaped(x, _flattened(x.shape, start_dim, end_dim))


@lru_cache(maxsize=1024)
def _flattened(shape: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
    if not shape:
        return (1,)
    start, end = start % len(shape), end % len(shape)
    return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
