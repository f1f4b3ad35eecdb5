"""Reductions over axes, and running sums and products.

Conventions: max and min share the gradient evenly among ties; std has gradient 0 where all values are equal.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygen import kernels
from tinygen.autodiff.arguments import ints, sorted_axes
from tinygen.autodiff.primitive import either, joint, operation
from tinygen.kernels.array_module import quiet, xp
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.kernels.definitions.running import along
from tinygen.ops.comparison import isinf
from tinygen.ops.elementwise import as_float, exp, subtract, where
from tinygen.ops.joining import concat
from tinygen.ops.manipulation import broadcast_to, permute_dims
from tinygen.tensor import ArrayLike, Tensor, as_tensor, float32

Axis = Any  # None for all, an int, or several: a tuple, a list or an array of ints, read at each call


def axes_of(ndim: int, axis: Axis) -> tuple[int, ...]:
    """`axis` as a sorted tuple of non-negative ints.

    Raises:
        ValueError: an axis out of range or given twice.
    """
    return sorted_axes(ndim, axis if type(axis) is int else ints(axis))


def axis_of(ndim: int, axis: Axis) -> int:
    """The same of an axis that stands alone.

    Raises:
        ValueError: none, or several.
    """
    axes = sorted_axes(ndim, axis if type(axis) is int else ints(axis))
    if len(axes) != 1:
        raise ValueError(f"axis {axis} names {len(axes)} dimensions, not one")
    return axes[0]


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """The shape after a reduction over `axis` that keeps the reduced dimensions as 1."""
    return _kept(shape, ints(axis))


@lru_cache(maxsize=4096)
def _kept(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    axes = sorted_axes(len(shape), axis)
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many entries a reduction over `axis` combines into one."""
    return math.prod(shape[i] for i in axes_of(len(shape), axis))


def _checked(x: Any, axis: Axis) -> Any:
    return None if axis is None else axes_of(x.ndim, axis)


@lru_cache(maxsize=4096)
def _spread(shape: tuple[int, ...], axis: Axis) -> tuple[tuple[int, ...] | None, bool]:
    """The shape of a sum's cotangent beside what was added up, None where it goes without saying, since the first axes
    were added up; and whether that is large."""
    axes = sorted_axes(len(shape), axis)
    large = math.prod(shape) >= LARGE
    return None if axes == tuple(range(len(axes))) and not large else _kept(shape, axis), large


def _sum_vjp(g: Tensor, x_shape: tuple[int, ...], axis: Axis) -> Tensor:
    return broadcast_to(g.reshape(kept_shape(x_shape, axis)), x_shape)


def _spread_out(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    kept, large = _spread(x_shape, ints(axis))
    if large:
        return broadcast_to.__wrapped__(g.reshape(kept), x_shape)
    repeated = xp(g).empty(x_shape, g.dtype)
    repeated[...] = g if kept is None else g.reshape(kept)  # of few, sooner done than a view that repeats them
    return repeated


@operation(x=either(_sum_vjp, _spread_out), moves=True)
def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over `axis` (None: all, an int, or several). Integers and booleans give int64."""
    return kernels.reduce_sum(x, _checked(x, axis), keepdims)  # type: ignore[attr-defined]


def _extreme_vjp(g: Tensor, y: Tensor, x: Tensor, axis: Axis) -> Tensor:
    shape = kept_shape(x.shape, axis)
    chosen = Tensor((x._data == y._data.reshape(shape)).astype(x.dtype))
    return g.reshape(shape) * (chosen / sum(chosen, axis=axis, keepdims=True))


@operation(x=_extreme_vjp)
def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest entry over `axis`; ties share the gradient evenly."""
    return kernels.reduce_max(x, _checked(x, axis), keepdims)  # type: ignore[attr-defined]


@operation(x=_extreme_vjp)
def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest entry over `axis`; ties share the gradient evenly."""
    return kernels.reduce_min(x, _checked(x, axis), keepdims)  # type: ignore[attr-defined]


def _share(shape: tuple[int, ...], axis: Axis, correction: float = 0.0) -> float:
    """1 / (n - correction) for the n entries that a reduction over `axis` combines into one; infinite from n on."""
    return _share_of(shape, ints(axis), correction)


@lru_cache(maxsize=4096)
def _share_of(shape: tuple[int, ...], axis: Axis, correction: float) -> float:
    n = count(shape, axis) - correction
    return 1.0 / n if n > 0 else math.inf


def _mean_vjp(g: Tensor, x_shape: tuple[int, ...], axis: Axis) -> Tensor:
    return _sum_vjp(g * _share(x_shape, axis), x_shape, axis)


def _mean_spread_out(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    return _spread_out(g * _share(x_shape, axis), x_shape, axis)


@operation(x=either(_mean_vjp, _mean_spread_out), moves=True)
@quiet
def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over `axis`."""
    return kernels.reduce_sum(as_float(x), _checked(x, axis), keepdims) * _share(x.shape, axis)  # type: ignore[attr-defined]


_FEW_CENTRED = 64  # numbers that a product with a matrix takes to their deviations sooner than their mean is found


@lru_cache(maxsize=64)
def _centring(n: int) -> Any:
    """The matrix (n, n + 1) that takes n numbers to n times their deviations from the mean. It is of whole numbers, so
    that what is all the same deviates by exactly 0: all that is added up on the way has a place in float64. The column
    of zeros makes NaN of infinities, which have no deviations."""
    return n * np.eye(n, n + 1) - (np.arange(n + 1) < n)


class _Spread(NamedTuple):
    """How a variance is found."""

    axes: tuple[int, ...] | None
    share: float  # of the squared deviations
    few: tuple[bool, Any, float] | None  # of so few numbers: whether they are turned, what centres them, and the share


@lru_cache(maxsize=4096)
def _spread_over(shape: tuple[int, ...], axis: Axis, correction: float) -> _Spread:
    """Numbers are few where they are so along one axis, the last or of a matrix."""
    axes, share = None if axis is None else sorted_axes(len(shape), axis), _share_of(shape, axis, correction)
    if axes is None or len(axes) != 1 or share == math.inf:
        return _Spread(axes, share, None)
    n, last = shape[axes[0]], axes[0] == len(shape) - 1
    if not (last or len(shape) == 2) or not 1 < n <= _FEW_CENTRED or math.prod(shape) >= _FEW_CENTRED**2:
        return _Spread(axes, share, None)  # the product would cost more than it saves
    return _Spread(axes, share, (not last, _centring(n), share / n**2))


def _variance_of_few(x: Any, spread: _Spread, keepdims: bool) -> Any:
    """The variance of few numbers of float32, in float64: in half as many of NumPy's calls as otherwise. None where
    that is not asked for."""
    if spread.few is None or keepdims or type(x) is not ndarray or x.dtype is not float32:
        return None
    turned, centring, share = spread.few
    apart = (x.T if turned else x).dot(centring)
    return np.vecdot(apart, apart) * share


def _deviation(x: Any, axes: tuple[int, ...] | None) -> Any:
    return x - kernels.reduce_sum(x, axes, True) * _share_of(x.shape, axes, 0.0)  # type: ignore[attr-defined]


def _var_vjp(g: Tensor, x: Tensor, axis: Axis, correction: float) -> Tensor:
    shape = kept_shape(x.shape, axis)
    return (x - mean(x, axis, True)) * (g.reshape(shape) * (2.0 * _share(x.shape, axis, correction)))


@operation(x=either(_var_vjp))
@quiet
def var(x: Any, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The variance over `axis`: squared deviations over n - correction."""
    spread = _spread_over(x.shape, ints(axis), correction)
    found = _variance_of_few(x, spread, keepdims)
    if found is not None:
        return found.astype(float32)
    apart = _deviation(as_float(x), spread.axes)
    return kernels.sum_of_squares(apart, spread.axes, keepdims) * spread.share  # type: ignore[attr-defined]


def _std_vjp(g: Tensor, y: Tensor, x: Tensor, axis: Axis, correction: float) -> Tensor:
    shape = kept_shape(x.shape, axis)
    y = y.reshape(shape)
    return (x - mean(x, axis, True)) * (g.reshape(shape) * _share(x.shape, axis, correction) / where(y == 0, 1.0, y))


@operation(x=either(_std_vjp))
@quiet
def std(x: Any, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The standard deviation over `axis`; its gradient is 0 where it is 0."""
    spread = _spread_over(x.shape, ints(axis), correction)
    found = _variance_of_few(x, spread, keepdims)
    if found is not None:
        return np.sqrt(found).astype(float32)
    apart = _deviation(as_float(x), spread.axes)
    return kernels.euclidean_norm(apart, spread.axes, keepdims) * math.sqrt(spread.share)  # type: ignore[attr-defined]


def _norm_vjp(g: Tensor, y: Tensor, x: Tensor, axis: Axis) -> Tensor:
    shape = kept_shape(x.shape, axis)
    y = y.reshape(shape)
    return x * (g.reshape(shape) / where(y == 0, 1.0, y))


@operation(x=either(_norm_vjp))
@quiet
def vector_norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The Euclidean norm over `axis`; its gradient at 0 is 0, the subgradient of least norm."""
    return kernels.euclidean_norm(as_float(x), _checked(x, axis), keepdims)  # type: ignore[attr-defined]


def _prod_vjp(g: Tensor, x: Tensor, axis: Axis) -> Tensor:
    """The product of the others: of those before times of those behind, exact where entries are 0."""
    axes = axes_of(x.ndim, axis)
    if len(axes) == 1:
        at = axes[0]
        return _products_before(x, at, False) * _products_before(x, at, True) * g.reshape(kept_shape(x.shape, axis))
    at = x.ndim - len(axes)  # the axes become one, the last
    order = (*[i for i in range(x.ndim) if i not in axes], *axes)
    moved = permute_dims(x, order)
    rows = moved.reshape((*moved.shape[:at], math.prod(moved.shape[at:])))
    others = _products_before(rows, at, False) * _products_before(rows, at, True) * g.reshape((*moved.shape[:at], 1))
    return permute_dims(others.reshape(moved.shape), tuple([order.index(i) for i in range(x.ndim)]))


@operation(x=either(_prod_vjp))
def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The product over `axis`. Integers and booleans give int64."""
    return kernels.reduce_prod(x, _checked(x, axis), keepdims)  # type: ignore[attr-defined]


def _logsumexp_vjp(g: Tensor, y: Tensor, x: Tensor, axis: Axis) -> Tensor:
    shape = kept_shape(x.shape, axis)
    y = y.reshape(shape)
    return g.reshape(shape) * exp(x - where(isinf(y), 0.0, y))  # all -inf: gradient 0


@operation(x=_logsumexp_vjp)
@quiet
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log sum exp over `axis`, shifted by the maximum; -inf where every entry is."""
    axes = axes_of(x.ndim, axis)
    top = kernels.reduce_max(x, axes, True)  # type: ignore[attr-defined]
    top = xp(x).where(xp(x).isfinite(top), top, 0).astype(x.dtype)
    apart = exp.on_large(subtract.on_large(x, top)) if x.size >= LARGE else xp(x).exp(x - top)
    total = kernels.reduce_sum(apart, axes, True)  # type: ignore[attr-defined]
    total = xp(x).log(total) + top
    return total if keepdims else total.reshape([n for i, n in enumerate(x.shape) if i not in axes])


@operation(x=either(lambda g, axis, back: _cumulative_sum(g, axis, not back)), moves=True, name="cumulative_sum")
def _cumulative_sum(x: Any, axis: int, back: bool) -> Any:
    """From the last entry to the first if `back`."""
    return kernels.running_sum(x, axis, back)  # type: ignore[attr-defined]


def cumulative_sum(x: ArrayLike, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """The running sum along `axis`, of a 1-D array by default; `include_initial` puts the empty sum, 0, in front.

    Raises:
        ValueError: no axis for more than one dimension.
    """
    x = x if type(x) is Tensor else as_tensor(x)
    axis = _only_axis(x, axis, "cumulative_sum")
    y = _cumulative_sum(x, axis, False)
    return _with_initial(y, axis, 0) if include_initial else y


def cumsum(x: ArrayLike, axis: int | None = None) -> Tensor:
    """The running sum along `axis`; of a 1-D array by default."""
    return cumulative_sum(x, axis)


def _with_initial(y: Tensor, axis: int, value: int) -> Tensor:
    shape = tuple(1 if i == axis else n for i, n in enumerate(y.shape))
    return concat([Tensor(xp(y._data).full(shape, value, dtype=y.dtype)), y], axis)


def _states_vjp(g: Tensor, y: Tensor, a: Tensor, axis: int, back: bool) -> list[Tensor]:
    """A change of b_i reaches later states by the same steps, the other way; one of a_i is y_i times as much."""
    of_b = _states_before(a, g, axis, not back)
    return [y * of_b, of_b]


@operation(joint(_states_vjp, "a", "b"), name="states_before")
def _states_before(a: Any, b: Any, axis: int, back: bool) -> Any:
    """y_{i+1} = a_i y_i + b_i from y_0 = 0: the state that each linear step begins with."""
    return kernels.states_before(a, b, axis, back)  # type: ignore[attr-defined]


@operation(
    x=either(lambda g, y, x, axis, back: y * _states_before(x, g, axis, not back)),
    name="products_before",
)
def _products_before(x: Any, axis: int, back: bool) -> Any:
    """The product of the entries before each; exact gradients of every order where entries are 0."""
    return kernels.products_before(x, axis, back)  # type: ignore[attr-defined]


@operation(
    x=either(lambda g, x, axis: _products_before(x, axis, False) * (g + _states_before(x, x * g, axis, True))),
    name="cumulative_prod",
)
def _cumulative_prod(x: Any, axis: int) -> Any:
    """y_i = x_0 ... x_i. What y_i, y_{i+1}, ... have of x_i are the products before it, times g_i + x_{i+1} g_{i+1} +
    x_{i+1} x_{i+2} g_{i+2} + ...: with zeros, too."""
    return kernels.running_product(x, axis)  # type: ignore[attr-defined]


def cumulative_prod(x: ArrayLike, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """The running product along `axis`; `include_initial` puts the empty product, 1, in front."""
    x = x if type(x) is Tensor else as_tensor(x)
    axis = _only_axis(x, axis, "cumulative_prod")
    y = _cumulative_prod(x, axis)
    return _with_initial(y, axis, 1) if include_initial else y


def _only_axis(x: Tensor, axis: int | None, who: str) -> int:
    ndim = x._data.ndim
    if axis is None and ndim != 1:
        raise ValueError(f"{who} needs an axis for {ndim} dimensions")
    return axis_of(ndim, 0 if axis is None else axis)


def _difference_vjp(g: Tensor, axis: int) -> Tensor:
    edge = Tensor(xp(g._data).zeros(tuple([1 if i == axis else n for i, n in enumerate(g.shape)]), g.dtype))
    return -_difference(concat([edge, g, edge], axis), axis)


def _difference_gradient(g: Any, axis: int) -> Any:
    last = g.shape[axis]
    made = xp(g).empty(tuple([n + (i == axis) for i, n in enumerate(g.shape)]), g.dtype)
    made[along(axis, slice(0, last))] = -g
    made[along(axis, last)] = 0
    made[along(axis, slice(1, None))] += g
    return made


@operation(x=either(_difference_vjp, _difference_gradient), name="diff")
def _difference(x: Any, axis: int) -> Any:
    after, before = x[along(axis, slice(1, None))], x[along(axis, slice(None, -1))]
    return subtract.on_large(after, before) if x.size >= LARGE else after - before


def diff(x: ArrayLike, axis: int = -1, n: int = 1) -> Tensor:
    """Differences of neighbours along `axis`, `n` times over."""
    y = as_tensor(x)
    axis = axis_of(y.ndim, axis)
    for _ in range(n):
        y = _difference(y, axis)
    return y


# -- no gradient ---------------------------------------------------------------------------------------------


def _array(x: Any) -> Any:
    """A number as an array: what has no gradient gets numbers as they are."""
    return x if type(x) is ndarray else xp(x).asarray(x)


@operation()
def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether some entry over `axis` is true."""
    return _array(x).any(_checked(x, axis), keepdims=keepdims)


@operation()
def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether every entry over `axis` is true."""
    return _array(x).all(_checked(x, axis), keepdims=keepdims)


def _place(of: str, x: Any, axis: Axis, keepdims: bool) -> Any:
    """What the method `of` of arrays finds along `axis`; of large ones along rows, into which they are brought, since
    NumPy goes down columns one number after the other."""
    x, axis = _array(x), None if axis is None else axis_of(x.ndim, axis)
    if axis is None or x.size < LARGE or type(x) is not ndarray:
        return getattr(x, of)(axis, keepdims=keepdims)
    found = getattr(kernels.in_order(np.moveaxis(x, axis, -1)), of)(-1)  # type: ignore[attr-defined]
    return np.expand_dims(found, axis) if keepdims else found


@operation()
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the largest entry along `axis` (of the flattened array when None)."""
    return _place("argmax", x, axis, keepdims)


@operation()
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the smallest entry along `axis` (of the flattened array when None)."""
    return _place("argmin", x, axis, keepdims)


@operation()
def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many entries over `axis` are not 0."""
    x = _array(x)
    counted = x != 0 if x.size > _FEW_COUNTED and x.dtype.kind != "b" else x
    return xp(x).count_nonzero(counted, _checked(x, axis), keepdims=keepdims)


_FEW_COUNTED = 1 << 9  # beyond, NumPy counts truth values so much faster than numbers that making them pays
