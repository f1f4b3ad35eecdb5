"""Batch, group, layer and RMS normalisation on the CPU: shapes and layouts here, arithmetic in the sweeps.

Batch and group normalisation work pixel-major (normalisation_sweeps.py): x (N, C, *) whose memory is (N, *,
C) is used as it lies, any other is copied, and results are (N, *, C) in memory, seen as (N, C, *). Layer and
RMS normalisation work on contiguous rows (normalisation_rows.py). float64 is the definition. Held to the
definitions by tests/kernels/test_normalisation.py.
"""

from functools import lru_cache
from itertools import accumulate
from math import gcd, prod
from operator import mul
from typing import NamedTuple

import numpy as np

from ..definitions import normalisation as definition
from ..definitions.shapes import check_shape
from .launch import launch
from .normalisation_pixels import WIDTH
from .normalisation_planes import plane_backward_task, plane_task
from .normalisation_rows import norm_rows_backward_task, norm_rows_task
from .normalisation_sweeps import (
    group_norm_backward_task,
    group_norm_task,
    input_gradient_task,
    moments_task,
    normalise_task,
    products_task,
)
from .rows_copied import in_order
from .streaming import past_caches, too_much
from .threads import thread_count

Array = np.ndarray
Sizes = tuple[int, ...]

FLOAT = np.dtype(np.float32)
_SERIAL = 1 << 16  # elements worth a thread's waking
_NONE = np.empty(0)


def _by_definition(x: Array) -> bool:
    return x.dtype != FLOAT or x.size == 0


class _Layout(NamedTuple):
    """How images (N, C, *) of one shape lie in memory, and are cut for the sweeps. Made once for each shape: it takes
    longer than small images do."""

    memory: Sizes  # (N, *, C)
    seen: Sizes  # the axes of these as (N, C, *)
    moved: Sizes  # ... and the other way round
    strides: Sizes  # of (N, C, *)
    channels: Sizes  # (C,)
    groups: Sizes  # (N, G)
    sizes: Sizes  # what the tasks are told: pixels and width, of all images or of each
    large: bool  # whether the caches are too small for three arrays of the shape, which are swept by whole `WIDTH`s


@lru_cache(maxsize=1024)
def _layout(shape: Sizes, groups: int | None = None) -> _Layout:
    """For batch normalisation, or in so many `groups`. ValueError for shapes that do not fit."""
    x = np.broadcast_to(np.float32(0), shape)  # nothing looks into it
    definition.check_channels("batch_norm" if groups is None else "group_norm", x)
    (n, c, *rest), axes = shape, len(shape)
    memory, seen = (n, *rest, c), (0, axes - 1, *range(1, axes - 1))
    steps = [*accumulate((c, *reversed(rest)), mul, initial=FLOAT.itemsize)][::-1]
    pixels = prod(rest) if groups else n * prod(rest)
    fold = gcd(pixels, WIDTH // gcd(c, WIDTH))  # successive pixels taken as one, to fill whole vectors with channels
    sizes: Sizes = (pixels // fold, c * fold)
    if groups is not None:
        definition.check_groups("group_norm", x, groups)
        sizes = (n, *sizes, fold, groups)
    moved = (0, *range(2, axes), 1)
    large = too_much(3 * x.size * FLOAT.itemsize) and c * fold % WIDTH == 0
    return _Layout(memory, seen, moved, tuple([steps[i] for i in seen]), (c,), (n, groups or 0), sizes, large)


def _in_planes(x: Array, layout: _Layout) -> bool:
    """Whether the channels of x lie one behind the other in memory, and not side by side."""
    return x.flags.c_contiguous and x.strides != layout.strides


def _new(layout: _Layout, room: Array | None = None) -> Array:
    """A new array (N, C, *), or `room`, which may be written over, if that lies in memory so."""
    if room is not None and room.strides == layout.strides:
        return room
    return np.empty(layout.memory, FLOAT).transpose(layout.seen)


def _pixels(x: Array, layout: _Layout) -> Array:
    """x (N, C, *) in (N, *, C) memory: itself, or a copy."""
    if x.strides == layout.strides and x.dtype == FLOAT:
        return x
    moved = x.transpose(layout.moved)
    return in_order(moved) if x.dtype == FLOAT else np.ascontiguousarray(moved, FLOAT)


def _past(layout: _Layout, y: Array, *arrays: Array) -> bool:
    """Whether y, made from `arrays`, is stored past the caches: not where it is one of them, and so in a cache."""
    return layout.large and all(a is not y for a in arrays) and past_caches(arrays, [y])


@lru_cache(maxsize=256)
def _everywhere(shape: Sizes, value: float) -> Array:
    """An array of one value; for reading only."""
    return np.full(shape, value, FLOAT)


def _given(kernel: str, name: str, p: Array | None, shape: Sizes, default: float = 0) -> Array:
    """The argument `name` of `kernel`, of `shape`, as contiguous float32; `default` everywhere when there is none."""
    if p is None:
        return _everywhere(shape, default)
    if p.shape == shape and p.dtype == FLOAT and p.flags.c_contiguous:
        return p
    check_shape(kernel, name, p, shape)
    return np.ascontiguousarray(p, FLOAT)


def _add_up(sums: Array, dweight: Array, dbias: Array) -> None:
    """dweight and dbias from the parts' sums (parts, 2, ...), where there are several."""
    if len(sums) > 1:
        dweight.reshape(-1)[:], dbias.reshape(-1)[:] = sums.sum(0)


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    negative_slope: float = 1.0,
    running: definition.Running | None = None,
    own: bool = True,
) -> tuple[Array, Array, Array]:
    """Normalise every channel of x (N, C, *) over N and *, or by the running statistics: (y like x, mean (C,), rstd
    (C,)); see the definition. ValueError for shapes that do not fit.
    """
    if _by_definition(x):
        return definition.batch_norm(x, weight, bias, eps, negative_slope, running, own)
    layout = _layout(x.shape)
    weight = _given("batch_norm", "weight", weight, layout.channels, 1)
    bias = _given("batch_norm", "bias", bias, layout.channels)
    mean, rstd = np.empty(layout.channels, FLOAT), np.empty(layout.channels, FLOAT)
    if not own and running is not None and _in_planes(x, layout):
        given = [_given("batch_norm", name, p, layout.channels) for name, p in zip(("mean", "variance"), running[:2])]
        y, pixels = np.empty(x.shape, FLOAT), x.size // (len(x) * len(mean))
        parts = thread_count(x.size, _SERIAL)
        launch(plane_task, parts, x, y, weight, bias, *given, float(eps), float(negative_slope), mean, rstd, pixels)
        return y, mean, rstd
    x, y, (rows, width) = _pixels(x, layout), _new(layout), layout.sizes
    parts = min(thread_count(x.size, _SERIAL), rows)
    numbers, moved, here = (float(eps), float(negative_slope)), (mean, rstd, 0.0), False
    if running is not None:
        of_mean, of_var, share = running
        moved = (
            _given("batch_norm", "running_mean", of_mean, layout.channels),
            _given("batch_norm", "running_var", of_var, layout.channels),
            float(share),
        )
        here = own and moved[0] is of_mean and moved[1] is of_var
    moments = _NONE
    if own:
        moments = np.empty((parts, 2, width))
        launch(moments_task, parts, x, moments, rows, width)
    arrays, flags = (x, y, moments, weight, bias), (here, not own, _past(layout, y, x))
    launch(normalise_task, parts, arrays, numbers, mean, rstd, rows, width, moved, flags)
    if running is not None and own and not here:
        definition.move_running(running, mean, rstd, eps, x.size // len(mean))
    return y, mean, rstd


def batch_norm_backward(
    g: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    y: Array | None = None,
    negative_slope: float = 1.0,
    room: Array | None = None,
    own: bool = True,
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (C,), dbias (C,)) of batch_norm for the cotangent g of y; see the definition."""
    if _by_definition(x):
        return definition.batch_norm_backward(g, x, weight, mean, rstd, y, negative_slope, None, own)
    definition.check_cotangent("batch_norm_backward", g, x)
    definition.check_signs("batch_norm_backward", x, y, negative_slope)
    layout = _layout(x.shape)
    weight = _given("batch_norm_backward", "weight", weight, layout.channels, 1)
    mean = _given("batch_norm_backward", "mean", mean, layout.channels)
    rstd = _given("batch_norm_backward", "rstd", rstd, layout.channels)
    dweight, dbias = np.empty(layout.channels, FLOAT), np.empty(layout.channels, FLOAT)
    if not own and _in_planes(x, layout):
        g, y = in_order(g), x if y is None else in_order(y)
        dx, pixels = room if room is g else np.empty(x.shape, FLOAT), x.size // (len(x) * len(mean))
        arrays = (g, x, y, dx, weight, mean, rstd, dweight, dbias)
        launch(plane_backward_task, thread_count(x.size, _SERIAL), *arrays, float(negative_slope), pixels)
        return dx, dweight, dbias
    h, x, dx, (rows, width) = _pixels(g, layout), _pixels(x, layout), _new(layout, room), layout.sizes
    parts = min(thread_count(x.size, _SERIAL), rows)
    sums, slope = np.empty((parts, 2, width)), float(negative_slope)
    signs = h if y is None else _pixels(y, layout)
    launch(products_task, parts, h, x, mean, sums, signs, dx, slope, rows, width, slope != 1)
    if slope != 1:
        h = dx
    arrays = (h, x, dx, sums, weight, mean, rstd, dweight, dbias)
    launch(input_gradient_task, parts, *arrays, rows, width, not own, _past(layout, dx, h, x))
    return dx, dweight, dbias


def group_norm(
    x: Array,
    num_groups: int,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    silu: bool = False,
) -> tuple[Array, Array, Array]:
    """Normalise every example of x (N, C, *) in `num_groups` groups of channels, each by itself.

    Returns y like x, mean (N, G), rstd (N, G). weight and bias (C,) or None; `silu` passes y through
    z sigmoid(z). ValueError for shapes that do not fit.
    """
    if _by_definition(x):
        return definition.group_norm(x, num_groups, weight, bias, eps, silu)
    layout = _layout(x.shape, num_groups)
    weight = _given("group_norm", "weight", weight, layout.channels, 1)
    bias = _given("group_norm", "bias", bias, layout.channels)
    y, mean, rstd = _new(layout), np.empty(layout.groups, FLOAT), np.empty(layout.groups, FLOAT)
    parts = min(thread_count(x.size, _SERIAL), len(x))
    x = _pixels(x, layout)
    past = not silu and _past(layout, y, x)  # a SiLU takes longer than memory
    launch(group_norm_task, parts, x, y, weight, bias, float(eps), mean, rstd, layout.sizes, silu, past)
    return y, mean, rstd


def group_norm_backward(
    g: Array,
    x: Array,
    num_groups: int,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    rstd: Array,
    silu: bool = False,
    room: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (C,), dbias (C,)) of group_norm for the cotangent g of y."""
    if _by_definition(x):
        return definition.group_norm_backward(g, x, num_groups, weight, bias, mean, rstd, silu)
    definition.check_cotangent("group_norm_backward", g, x)
    layout = _layout(x.shape, num_groups)
    weight = _given("group_norm_backward", "weight", weight, layout.channels, 1)
    bias = _given("group_norm_backward", "bias", bias, layout.channels)
    mean = _given("group_norm_backward", "mean", mean, layout.groups)
    rstd = _given("group_norm_backward", "rstd", rstd, layout.groups)
    dx, dweight, dbias = _new(layout, room), np.empty(layout.channels, FLOAT), np.empty(layout.channels, FLOAT)
    parts = min(thread_count(x.size, _SERIAL), len(x))
    sums = np.empty((parts, 2, *layout.channels))
    g, x = _pixels(g, layout), _pixels(x, layout)
    past = not silu and _past(layout, dx, g, x)  # dx is in a cache already where it held a SiLU's cotangent
    arrays = (g, x, dx, weight, bias, mean, rstd, sums, dweight, dbias)
    launch(group_norm_backward_task, parts, arrays, layout.sizes, silu, past)
    _add_up(sums, dweight, dbias)
    return dx, dweight, dbias


@lru_cache(maxsize=1024)
def _rows_of(kernel: str, shape: Sizes, ndim: int) -> tuple[Sizes, Sizes, int, int]:
    """The sizes of what is ahead of the last `ndim` axes, and of these; how many rows that makes, and their length."""
    definition.check_trailing(kernel, np.broadcast_to(np.float32(0), shape), ndim)
    lead, row = shape[: len(shape) - ndim], shape[len(shape) - ndim :]
    return lead, row, prod(lead), prod(row)


def _contiguous(x: Array) -> Array:
    return x if x.dtype == FLOAT and x.flags.c_contiguous else np.ascontiguousarray(x, FLOAT)


def _norm_rows(
    x: Array, ndim_normalised: int, weight: Array | None, bias: Array | None, eps: float, centred: bool
) -> tuple[Array, Array, Array]:
    kernel = "layer_norm" if centred else "rms_norm"
    lead, row, rows, size = _rows_of(kernel, x.shape, ndim_normalised)
    weight, bias = _given(kernel, "weight", weight, row, 1), _given(kernel, "bias", bias, row)
    y, mean, rstd = np.empty(x.shape, FLOAT), np.empty(lead, FLOAT), np.empty(lead, FLOAT)
    parts = min(thread_count(x.size, _SERIAL), rows)
    launch(norm_rows_task, parts, _contiguous(x), y, weight, bias, float(eps), mean, rstd, rows, size, centred)
    return y, mean, rstd


def _norm_rows_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, mean: Array, rstd: Array, centred: bool
) -> tuple[Array, Array, Array]:
    kernel = "layer_norm_backward" if centred else "rms_norm_backward"
    definition.check_cotangent(kernel, g, x)
    lead, row, rows, size = _rows_of(kernel, x.shape, ndim_normalised)
    weight = _given(kernel, "weight", weight, row, 1)
    mean, rstd = _given(kernel, "mean", mean, lead), _given(kernel, "rstd", rstd, lead)
    dx, dweight, dbias = np.empty(x.shape, FLOAT), np.empty(row, FLOAT), np.empty(row, FLOAT)
    parts = min(thread_count(x.size, _SERIAL), rows)
    sums = np.empty((parts, 2, size))
    arrays = (_contiguous(g), _contiguous(x), dx, weight, mean, rstd, sums, dweight, dbias)
    launch(norm_rows_backward_task, parts, arrays, rows, size, centred)
    _add_up(sums, dweight, dbias)
    return dx, dweight, dbias


def layer_norm(
    x: Array, ndim_normalised: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Normalise x (*rows, *D) over its last `ndim_normalised` dimensions: (y, mean (*rows), rstd (*rows)).

    weight and bias have shape D or are None. ValueError for shapes that do not fit.
    """
    if _by_definition(x):
        return definition.layer_norm(x, ndim_normalised, weight, bias, eps)
    return _norm_rows(x, ndim_normalised, weight, bias, eps, True)


def layer_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, mean: Array, rstd: Array
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (*D), dbias (*D)) of layer_norm for the cotangent g of y."""
    if _by_definition(x):
        return definition.layer_norm_backward(g, x, ndim_normalised, weight, mean, rstd)
    return _norm_rows_backward(g, x, ndim_normalised, weight, mean, rstd, True)


def rms_norm(x: Array, ndim_normalised: int, weight: Array | None, eps: float) -> tuple[Array, Array]:
    """Divide x (*rows, *D) by the root of its mean square + eps over D: (y like x, rstd (*rows)).

    weight has shape D or is None. ValueError for shapes that do not fit.
    """
    if _by_definition(x):
        return definition.rms_norm(x, ndim_normalised, weight, eps)
    y, _, rstd = _norm_rows(x, ndim_normalised, weight, None, eps, False)
    return y, rstd


def rms_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, rstd: Array
) -> tuple[Array, Array]:
    """Gradients (dx like x, dweight (*D)) of rms_norm for the cotangent g of y."""
    if _by_definition(x):
        return definition.rms_norm_backward(g, x, ndim_normalised, weight, rstd)
    dx, dweight, _ = _norm_rows_backward(g, x, ndim_normalised, weight, np.zeros_like(rstd), rstd, False)
    return dx, dweight
