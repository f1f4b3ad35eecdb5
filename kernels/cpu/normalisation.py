"""Batch, group, layer and RMS normalisation on the CPU: shapes and layouts here, arithmetic in the sweeps.

Batch and group normalisation work pixel-major (normalisation_sweeps.py): x (N, C, *) whose memory is (N, *,
C) is used as it lies, any other is copied, and results are (N, *, C) in memory, seen as (N, C, *). Layer and
RMS normalisation work on contiguous rows (normalisation_rows.py). float64 is the definition. Held to the
definitions by tests/kernels/test_normalisation.py.
"""

from math import gcd, prod

import numpy as np

from ..definitions import normalisation as definition
from ..definitions.shapes import check_shape
from .launch import launch
from .normalisation_pixels import WIDTH
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
from .threads import thread_count

Array = np.ndarray

_SERIAL = 1 << 16  # elements worth a thread's waking


def _by_definition(x: Array) -> bool:
    return x.dtype != np.float32 or x.size == 0


def _pixels(x: Array) -> Array:
    """x (N, C, *) as contiguous (N, pixels, C), without a copy where its memory already is."""
    moved = x.transpose(0, *range(2, x.ndim), 1)
    moved = in_order(moved) if x.dtype == np.float32 else _contiguous(moved)
    return moved.reshape(x.shape[0], -1, x.shape[1])


def _like(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """A new array in (N, pixels, C) memory, and the same memory seen in `shape` (N, C, *)."""
    n, c, *rest = shape
    memory = np.empty((n, *rest, c), np.float32)
    return memory.reshape(n, -1, c), memory.transpose(0, memory.ndim - 1, *range(1, memory.ndim - 1))


def _over(room: Array | None, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """The same for what may be written over `room`, if that lies in memory so."""
    if room is None or not room.transpose(0, *range(2, room.ndim), 1).flags.c_contiguous:
        return _like(shape)
    return _pixels(room), room


def _fold(pixels: int, channels: int) -> int:
    """How many successive pixels to take as one, to fill whole vectors with their channels."""
    return gcd(pixels, WIDTH // gcd(channels, WIDTH))


def _parameter(p: Array | None, shape: tuple[int, ...], default: float) -> Array:
    """A parameter as contiguous float32, flat; `default` everywhere when there is none."""
    return np.full(shape, default, np.float32).reshape(-1) if p is None else _flat(p)


def _contiguous(a: Array) -> Array:
    return np.ascontiguousarray(a, np.float32)


def _flat(a: Array) -> Array:
    return _contiguous(a).reshape(-1)


def _totals(sums: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """dweight and dbias from the threads' sums (parts, 2, ...): two arrays, since a caller may keep either."""
    dweight, dbias = sums.sum(0) if len(sums) > 1 else sums[0]
    return dweight.astype(np.float32).reshape(shape), dbias.astype(np.float32).reshape(shape)


def batch_norm(
    x: Array, weight: Array | None, bias: Array | None, eps: float, negative_slope: float = 1.0
) -> tuple[Array, Array, Array]:
    """Normalise every channel of x (N, C, *) over N and *: (y like x, mean (C,), rstd (C,)).

    weight and bias (C,) or None; negative values of y are multiplied by `negative_slope`. ValueError for shapes that
    do not fit.
    """
    if _by_definition(x):
        return definition.batch_norm(x, weight, bias, eps, negative_slope)
    definition.check_channels("batch_norm", x, weight, bias)
    c = x.shape[1]
    fold = _fold(x.size // c, c)
    memory, y = _like(x.shape)
    source, result = _pixels(x).reshape(-1, fold * c), memory.reshape(-1, fold * c)
    mean, rstd = np.empty(c, np.float32), np.empty(c, np.float32)
    weight, bias = _parameter(weight, (c,), 1), _parameter(bias, (c,), 0)
    parts = min(thread_count(x.size, _SERIAL), len(source))
    moments = np.empty((parts, 2, fold * c))
    launch(moments_task, parts, source, moments, *source.shape)
    numbers = (np.array([eps]), np.array([negative_slope], np.float32))
    launch(normalise_task, parts, source, result, moments, weight, bias, *numbers, mean, rstd, *source.shape)
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
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (C,), dbias (C,)) of batch_norm for the cotangent g of y; see the definition."""
    if _by_definition(x):
        return definition.batch_norm_backward(g, x, weight, mean, rstd, y, negative_slope)
    definition.check_channels("batch_norm_backward", x, weight, mean, rstd)
    definition.check_cotangent("batch_norm_backward", g, x)
    definition.check_signs("batch_norm_backward", x, y, negative_slope)
    c = x.shape[1]
    fold = _fold(x.size // c, c)
    memory, dx = _over(room, x.shape)
    source, result = _pixels(x).reshape(-1, fold * c), memory.reshape(-1, fold * c)
    cotangent = _pixels(g).reshape(-1, fold * c)
    dweight, dbias = np.empty(c, np.float32), np.empty(c, np.float32)
    weight, mean, rstd = _parameter(weight, (c,), 1), _flat(mean), _flat(rstd)
    parts = min(thread_count(x.size, _SERIAL), len(source))
    sums = np.empty((parts, 2, fold * c))
    slope, rectified = np.array([negative_slope], np.float32), negative_slope != 1
    signs = cotangent if y is None else _pixels(y).reshape(-1, fold * c)
    launch(products_task, parts, cotangent, source, mean, sums, signs, result, slope, *source.shape, int(rectified))
    if rectified:
        cotangent = result
    arrays = (cotangent, source, result, sums, weight, mean, rstd, dweight, dbias)
    launch(input_gradient_task, parts, *arrays, *source.shape)
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
    definition.check_channels("group_norm", x, weight, bias)
    definition.check_groups("group_norm", x, num_groups)
    n, c = x.shape[:2]
    memory, y = _like(x.shape)
    fold = _fold(x.size // (n * c), c)
    mean, rstd = np.empty((n, num_groups), np.float32), np.empty((n, num_groups), np.float32)
    weight, bias = _parameter(weight, (c,), 1), _parameter(bias, (c,), 0)
    sizes = (n, x.size // (n * c * fold), c * fold, fold, num_groups, int(silu))
    arrays = (_pixels(x), memory, weight, bias, np.array([eps], np.float32), mean, rstd)
    launch(group_norm_task, min(thread_count(x.size, _SERIAL), n), *arrays, *sizes)
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
    definition.check_channels("group_norm_backward", x, weight, bias)
    definition.check_groups("group_norm_backward", x, num_groups)
    definition.check_cotangent("group_norm_backward", g, x)
    n, c = x.shape[:2]
    check_shape("group_norm_backward", "mean", mean, (n, num_groups))
    check_shape("group_norm_backward", "rstd", rstd, (n, num_groups))
    memory, dx = _over(room, x.shape)
    fold = _fold(x.size // (n * c), c)
    parts = min(thread_count(x.size, _SERIAL), n)
    sums = np.empty((parts, 2, c))
    weight, bias = _parameter(weight, (c,), 1), _parameter(bias, (c,), 0)
    sizes = (n, x.size // (n * c * fold), c * fold, fold, num_groups, int(silu))
    arrays = (_pixels(g), _pixels(x), memory, weight, bias, _flat(mean), _flat(rstd), sums)
    launch(group_norm_backward_task, parts, *arrays, *sizes)
    return dx, *_totals(sums, (c,))


def _norm_rows(
    x: Array, ndim_normalised: int, weight: Array | None, bias: Array | None, eps: float, centred: bool
) -> tuple[Array, Array, Array]:
    split = x.ndim - ndim_normalised
    rows = _contiguous(x).reshape(prod(x.shape[:split]), -1)
    y = np.empty(x.shape, np.float32)
    mean, rstd = np.empty(x.shape[:split], np.float32), np.empty(x.shape[:split], np.float32)
    weight, bias = _parameter(weight, x.shape[split:], 1), _parameter(bias, x.shape[split:], 0)
    arrays = (rows, y, weight, bias, np.array([eps], np.float32), mean, rstd)
    launch(norm_rows_task, min(thread_count(x.size, _SERIAL), len(rows)), *arrays, *rows.shape, int(centred))
    return y, mean, rstd


def _norm_rows_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, mean: Array, rstd: Array, centred: bool
) -> tuple[Array, Array, Array]:
    split = x.ndim - ndim_normalised
    check_shape("layer_norm_backward" if centred else "rms_norm_backward", "mean", mean, x.shape[:split])
    check_shape("layer_norm_backward" if centred else "rms_norm_backward", "rstd", rstd, x.shape[:split])
    rows = _contiguous(x).reshape(prod(x.shape[:split]), -1)
    dx = np.empty(x.shape, np.float32)
    parts = min(thread_count(x.size, _SERIAL), len(rows))
    sums = np.empty((parts, 2, rows.shape[1]))
    arrays = (_contiguous(g), rows, dx, _parameter(weight, x.shape[split:], 1), _flat(mean), _flat(rstd))
    launch(norm_rows_backward_task, parts, *arrays, sums, *rows.shape, int(centred))
    return dx, *_totals(sums, x.shape[split:])


def layer_norm(
    x: Array, ndim_normalised: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Normalise x (*rows, *D) over its last `ndim_normalised` dimensions: (y, mean (*rows), rstd (*rows)).

    weight and bias have shape D or are None. ValueError for shapes that do not fit.
    """
    if _by_definition(x):
        return definition.layer_norm(x, ndim_normalised, weight, bias, eps)
    definition.check_trailing("layer_norm", x, ndim_normalised, weight, bias)
    return _norm_rows(x, ndim_normalised, weight, bias, eps, True)


def layer_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, mean: Array, rstd: Array
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (*D), dbias (*D)) of layer_norm for the cotangent g of y."""
    if _by_definition(x):
        return definition.layer_norm_backward(g, x, ndim_normalised, weight, mean, rstd)
    definition.check_trailing("layer_norm_backward", x, ndim_normalised, weight)
    definition.check_cotangent("layer_norm_backward", g, x)
    return _norm_rows_backward(g, x, ndim_normalised, weight, mean, rstd, True)


def rms_norm(x: Array, ndim_normalised: int, weight: Array | None, eps: float) -> tuple[Array, Array]:
    """Divide x (*rows, *D) by the root of its mean square + eps over D: (y like x, rstd (*rows)).

    weight has shape D or is None. ValueError for shapes that do not fit.
    """
    if _by_definition(x):
        return definition.rms_norm(x, ndim_normalised, weight, eps)
    definition.check_trailing("rms_norm", x, ndim_normalised, weight)
    y, _, rstd = _norm_rows(x, ndim_normalised, weight, None, eps, False)
    return y, rstd


def rms_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, rstd: Array
) -> tuple[Array, Array]:
    """Gradients (dx like x, dweight (*D)) of rms_norm for the cotangent g of y."""
    if _by_definition(x):
        return definition.rms_norm_backward(g, x, ndim_normalised, weight, rstd)
    definition.check_trailing("rms_norm_backward", x, ndim_normalised, weight)
    definition.check_cotangent("rms_norm_backward", g, x)
    dx, dweight, _ = _norm_rows_backward(g, x, ndim_normalised, weight, np.zeros_like(rstd), rstd, False)
    return dx, dweight
