"""ReLU, leaky ReLU and ELU on every thread: one sweep over memory each, float32; float64 is the definition.

The same functions as kernels/definitions/rectifier.py, held to it by tests/kernels/test_rectifier.py: bit by bit, but
ELU to three units in the last place.
"""

import numpy as np

from ..array_module import flat_like
from ..definitions import rectifier as definition
from ..definitions.joining import without_gaps
from .compiled import njit, routine
from .launch import floats, integer, launch, task
from .packing import load_vector, store_vector
from .simd import _Q0, _Q1, _Q2, _Q3, _Q4, _Q5, FASTMATH, LANES, vexp, vfill, vfma, vheld, vwhere_less, vzero
from .streaming import cut, end, past_caches, put_vector
from .threads import thread_count

Array = np.ndarray

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


@task
def _relu(block, part, parts):
    """Arguments: x, y; past."""
    x, y, past = floats(block, 0), floats(block, 1), integer(block, 2)
    stop = cut(x.size, part + 1, parts)
    for i in range(cut(x.size, part, parts), stop, LANES):
        v = load_vector(x, i, stop - i, 0)
        put_vector(y, i, stop - i, vwhere_less(v, vzero(), vzero(), v), past)  # a NaN is not less
    end(past)


@task
def _relu_backward(block, part, parts):
    """Arguments: g, x, y; past."""
    g, x, y, past = floats(block, 0), floats(block, 1), floats(block, 2), integer(block, 3)
    stop = cut(x.size, part + 1, parts)
    for i in range(cut(x.size, part, parts), stop, LANES):
        v, u = load_vector(x, i, stop - i, 0), vheld(load_vector(g, i, stop - i, 0))
        put_vector(y, i, stop - i, vwhere_less(vzero(), v, u, vzero()), past)
    end(past)


@task
def _leaky(block, part, parts):
    """Arguments: g, x, y; past, slope. y = g or slope g, by the sign of x; forward g is x."""
    g, x, y, past = floats(block, 0), floats(block, 1), floats(block, 2), integer(block, 3)
    slope = vfill(floats(block, 4)[0])
    stop = cut(x.size, part + 1, parts)
    for i in range(cut(x.size, part, parts), stop, LANES):
        v, u = load_vector(x, i, stop - i, 0), load_vector(g, i, stop - i, 0)
        put_vector(y, i, stop - i, vwhere_less(vzero(), v, u, slope * u), past)
    end(past)


@njit(fastmath=FASTMATH)
def _expm1_below(x):
    """e^x - 1 for x <= 0: x + x^2 q(x) near 0, where the difference would lose digits; q is that of vexp."""
    q = vfma(vfill(_Q0), x, vfill(_Q1))
    q = vfma(q, x, vfill(_Q2))
    q = vfma(q, x, vfill(_Q3))
    q = vfma(q, x, vfill(_Q4))
    q = vfma(q, x, vfill(_Q5))
    near = vfma(q * x, x, x)
    return vwhere_less(vfill(_NEAR), x, near, vexp(x) - vfill(_ONE))


@task
def _elu(block, part, parts):
    """Arguments: x, y; past, alpha."""
    x, y, past, alpha = floats(block, 0), floats(block, 1), integer(block, 2), vfill(floats(block, 3)[0])
    stop = cut(x.size, part + 1, parts)
    for i in range(cut(x.size, part, parts), stop, LANES):
        v = load_vector(x, i, stop - i, 0)
        put_vector(y, i, stop - i, vwhere_less(vzero(), v, v, alpha * _expm1_below(v)), past)
    end(past)


@task
def _elu_backward(block, part, parts):
    """Arguments: g, x, y; past, alpha."""
    g, x, y, past = floats(block, 0), floats(block, 1), floats(block, 2), integer(block, 3)
    alpha = vfill(floats(block, 4)[0])
    stop = cut(x.size, part + 1, parts)
    for i in range(cut(x.size, part, parts), stop, LANES):
        v, u = load_vector(x, i, stop - i, 0), load_vector(g, i, stop - i, 0)
        put_vector(y, i, stop - i, vwhere_less(vzero(), v, u, u * alpha * vexp(v)), past)
    end(past)


def _run(work: task, x: Array, *arrays: Array, scalars: tuple[Array, ...] = (), room: Array | None = None) -> Array:
    y = room if room is not None and room.strides == x.strides and without_gaps(x) else np.empty_like(x, subok=False)
    flat = [flat_like(a, y) for a in (*arrays, x)]
    out = y.ravel(order="K")
    past = room is None and past_caches(flat, [out])
    launch(work, thread_count(x.size, _SERIAL), *flat, out, int(past), *scalars)
    return y


def _single(*arrays: Array) -> bool:
    return all(a.dtype == np.float32 and a.shape == arrays[0].shape for a in arrays)


def relu(x: Array) -> Array:
    """max(x, 0); see the definition."""
    return _run(_relu, x) if _single(x) else definition.relu(x)


def relu_backward(g: Array, x: Array, room: Array | None = None) -> Array:
    """Gradient of relu at x for the cotangent g; see the definition."""
    return _run(_relu_backward, x, g, room=room) if _single(g, x) else definition.relu_backward(g, x)


def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x above 0, negative_slope x below; see the definition."""
    return leaky_relu_backward(x, x, negative_slope)


def leaky_relu_backward(g: Array, x: Array, negative_slope: float, room: Array | None = None) -> Array:
    """Gradient of leaky_relu at x for the cotangent g; see the definition."""
    if not _single(g, x):
        return definition.leaky_relu_backward(g, x, negative_slope)
    return _run(_leaky, x, g, scalars=(np.array([negative_slope], np.float32),), room=room)


def elu(x: Array, alpha: float) -> Array:
    """x above 0, alpha (e^x - 1) below; see the definition."""
    return _run(_elu, x, scalars=(np.array([alpha], np.float32),)) if _single(x) else definition.elu(x, alpha)


def elu_backward(g: Array, x: Array, alpha: float) -> Array:
    """Gradient of elu at x for the cotangent g; see the definition."""
    if not _single(g, x):
        return definition.elu_backward(g, x, alpha)
    return _run(_elu_backward, x, g, scalars=(np.array([alpha], np.float32),))
