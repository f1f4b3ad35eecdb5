"""ReLU, leaky ReLU and ELU on every thread: one sweep over memory each, float32; float64 is the definition.

The same functions as kernels/definitions/rectifier.py, held to it by tests/kernels/test_rectifier.py: bit by bit, but
ELU to three units in the last place.
"""

from typing import Any

import numpy as np

from ..array_module import laid_out_like, single
from ..definitions import rectifier as definition
from ..definitions.joining import without_gaps
from .compiled import njit, routine
from .few import are_few, few
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import EXP_TAIL, FASTMATH, LANES, vexp, vfill, vfma, vheld, vpolynomial, vwhere_less, vzero
from .streaming import past_caches, put_vector, swept
from .threads import thread_count

Array = np.ndarray
_FLOAT = np.dtype(np.float32)

_SERIAL = 1 << 17  # elements worth a thread's waking
_NEAR, _ONE = np.float32(-0.34), np.float32(1)  # within log(2)/2, where q holds


@njit(fastmath=FASTMATH)
def lowered(v, slope):
    """slope v, and 0 where the slope is, whatever v: what other kernels put in the place of negative values."""
    return vwhere_less(vzero(), slope, slope * v, vzero())


@routine("f n n f", FASTMATH)
def rectify(x, start, count, negative_slope):
    """Negative ones of x[start : start + count] times a slope."""
    slope, stop = vfill(negative_slope[0]), start + count
    for i in range(start, stop, LANES):
        v = load_vector(x, i, stop - i, 0)
        store_vector(x, i, stop - i, vwhere_less(v, vzero(), lowered(v, slope), v))


@swept
def _put_relu(given, i, left, past):
    x, y = given
    v = load_vector(x, i, left, 0)
    put_vector(y, i, left, vwhere_less(v, vzero(), vzero(), v), past)  # a NaN is not less


@task
def _relu(block, part, parts):
    """Arguments: x, y; past."""
    _put_relu((floats(block, 0), floats(block, 1)), part, parts, integer(block, 2))


@swept
def _put_relu_backward(given, i, left, past):
    g, x, y = given
    v, u = load_vector(x, i, left, 0), vheld(load_vector(g, i, left, 0))
    put_vector(y, i, left, vwhere_less(vzero(), v, u, vzero()), past)


@task
def _relu_backward(block, part, parts):
    """Arguments: g, x, y; past."""
    given = floats(block, 0), floats(block, 1), floats(block, 2)
    _put_relu_backward(given, part, parts, integer(block, 3))


@swept
def _put_leaky(given, i, left, past):
    x, slope, y = given
    v = load_vector(x, i, left, 0)
    put_vector(y, i, left, vwhere_less(vzero(), v, v, slope * v), past)


@task
def _leaky(block, part, parts):
    """Arguments: x, slope, y; past."""
    given = floats(block, 0), vfill(floats(block, 1)[0]), floats(block, 2)
    _put_leaky(given, part, parts, integer(block, 3))


@swept
def _put_leaky_backward(given, i, left, past):
    g, x, slope, y = given
    v, u = load_vector(x, i, left, 0), vheld(load_vector(g, i, left, 0))
    put_vector(y, i, left, vwhere_less(vzero(), v, u, slope * u), past)


@task
def _leaky_backward(block, part, parts):
    """Arguments: g, x, slope, y; past."""
    given = floats(block, 0), floats(block, 1), vfill(floats(block, 2)[0]), floats(block, 3)
    _put_leaky_backward(given, part, parts, integer(block, 4))


@njit(fastmath=FASTMATH)
def _expm1_below(x):
    """e^x - 1 for x <= 0: x + x^2 q(x) near 0, where the difference would lose digits; q is that of vexp."""
    q = vpolynomial(EXP_TAIL, x)
    near = vfma(q * x, x, x)
    return vwhere_less(vfill(_NEAR), x, near, vexp(x) - vfill(_ONE))


@swept
def _put_elu(given, i, left, past):
    x, alpha, y = given
    v = load_vector(x, i, left, 0)
    put_vector(y, i, left, vwhere_less(vzero(), v, v, alpha * _expm1_below(v)), past)


@task
def _elu(block, part, parts):
    """Arguments: x, alpha, y; past."""
    given = floats(block, 0), vfill(floats(block, 1)[0]), floats(block, 2)
    _put_elu(given, part, parts, integer(block, 3))


@swept
def _put_elu_backward(given, i, left, past):
    g, x, alpha, y = given
    v, u = load_vector(x, i, left, 0), load_vector(g, i, left, 0)
    put_vector(y, i, left, vwhere_less(vzero(), v, u, u * alpha * vexp(v)), past)


@task
def _elu_backward(block, part, parts):
    """Arguments: g, x, alpha, y; past."""
    given = floats(block, 0), floats(block, 1), vfill(floats(block, 2)[0]), floats(block, 3)
    _put_elu_backward(given, part, parts, integer(block, 4))


_RELU, _RELU_BACKWARD = few(_relu, "f", 0), few(_relu_backward, "ff", 0)
_LEAKY, _LEAKY_BACKWARD = few(_leaky, "fn", 0), few(_leaky_backward, "ffn", 0)
_ELU, _ELU_BACKWARD = few(_elu, "fn", 0), few(_elu_backward, "ffn", 0)


def _on_many(work: task, arrays: tuple[Array, ...], numbers: tuple[Array, ...] = (), room: Any = None) -> Array:
    """What `work` makes of arrays and numbers, laid out in memory as the last array; in `room`, if that is."""
    x = arrays[-1]
    if room is not None and not (room.strides == x.strides and without_gaps(x)):
        room = None
    y = np.empty_like(x, subok=False) if room is None else room
    given = [laid_out_like(a, y) for a in arrays]
    past = room is None and past_caches(given, [y])
    launch(work, thread_count(x.size, _SERIAL), *given, *numbers, y, past)
    return y


def _single(g: Array, x: Array) -> bool:
    return g.dtype == _FLOAT == x.dtype and g.shape == x.shape


def relu(x: Array) -> Array:
    """max(x, 0); see the definition."""
    if x.dtype != _FLOAT:
        return definition.relu(x)
    return _RELU.run(x) if are_few(x) else _on_many(_relu, (x,))


def relu_backward(g: Array, x: Array, room: Array | None = None) -> Array:
    """Gradient of relu at x for the cotangent g; see the definition."""
    if not _single(g, x):
        return definition.relu_backward(g, x)
    return _RELU_BACKWARD.run(g, x, room) if are_few(g, x) else _on_many(_relu_backward, (g, x), room=room)


def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x above 0, negative_slope x below; see the definition."""
    if x.dtype != _FLOAT:
        return definition.leaky_relu(x, negative_slope)
    slope = single(negative_slope)
    return _LEAKY.run(x, slope) if are_few(x) else _on_many(_leaky, (x,), (slope,))


def leaky_relu_backward(g: Array, x: Array, negative_slope: float, room: Array | None = None) -> Array:
    """Gradient of leaky_relu at x for the cotangent g; see the definition."""
    if not _single(g, x):
        return definition.leaky_relu_backward(g, x, negative_slope)
    slope = single(negative_slope)
    if are_few(g, x):
        return _LEAKY_BACKWARD.run(g, x, slope, room)
    return _on_many(_leaky_backward, (g, x), (slope,), room)


def elu(x: Array, alpha: float) -> Array:
    """x above 0, alpha (e^x - 1) below; see the definition."""
    if x.dtype != _FLOAT:
        return definition.elu(x, alpha)
    return _ELU.run(x, single(alpha)) if are_few(x) else _on_many(_elu, (x,), (single(alpha),))


def elu_backward(g: Array, x: Array, alpha: float) -> Array:
    """Gradient of elu at x for the cotangent g; see the definition."""
    if not _single(g, x):
        return definition.elu_backward(g, x, alpha)
    scale = single(alpha)
    return _ELU_BACKWARD.run(g, x, scale) if are_few(g, x) else _on_many(_elu_backward, (g, x), (scale,))
