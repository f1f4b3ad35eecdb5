"""Reductions over axes, and running sums and products.

Conventions: max and min share the gradient evenly among ties; std has gradient 0 where all values are equal.
"""

import math
from functools import lru_cache
from typing import Any

from tinygen import kernels
from tinygen.autodiff.mixed_precision import as_dtype
from tinygen.autodiff.primitive import Primitive, either, operation
from tinygen.kernels.array_module import arithmetic, quiet, xp
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.ops.comparison import isinf
from tinygen.ops.elementwise import as_float, exp, square, where
from tinygen.ops.manipulation import broadcast_to, concat, flip, moveaxis
from tinygen.tensor import ArrayLike, Tensor, as_tensor

Axis = Any  # None for all, an int, or a tuple of ints


def axes_of(ndim: int, axis: Axis) -> tuple[int, ...]:
    """`axis` as a sorted tuple of non-negative ints.

    Raises:
        ValueError: an axis out of range or given twice.
    """
    return _axes(ndim, tuple(axis) if isinstance(axis, list) else axis)


@lru_cache(maxsize=4096)
def _axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for a in axis if isinstance(axis, tuple) else (axis,):
        if not -ndim <= a < ndim:
            raise ValueError(f"axis {a} is out of range for {ndim} dimensions")
        axes.append(int(a) % ndim)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {tuple(axes)} names a dimension twice")
    return tuple(sorted(axes))


def kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """The shape after a reduction over `axis` that keeps the reduced dimensions as 1."""
    return _kept(shape, tuple(axis) if isinstance(axis, list) else axis)


@lru_cache(maxsize=4096)
def _kept(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    axes = _axes(len(shape), axis)
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many entries a reduction over `axis` combines into one."""
    return math.prod(shape[i] for i in axes_of(len(shape), axis))


def _checked(x: Any, axis: Axis) -> Any:
    return None if axis is None else _axes(x.ndim, tuple(axis) if type(axis) is list else axis)


@lru_cache(maxsize=4096)
def _spread(shape: tuple[int, ...], axis: Axis) -> tuple[tuple[int, ...] | None, bool]:
    """The shape of a sum's cotangent beside what was added up, None where it goes without saying, since the first axes
    were added up; and whether that is large."""
    axes = _axes(len(shape), axis)
    large = math.prod(shape) >= LARGE
    return None if axes == tuple(range(len(axes))) and not large else _kept(shape, axis), large


def _sum_vjp(g: Tensor, x_shape: tuple[int, ...], axis: Axis) -> Tensor:
    return broadcast_to(g.reshape(kept_shape(x_shape, axis)), x_shape)


def _spread_out(g: Any, x_shape: tuple[int, ...], axis: Axis) -> Any:
    kept, large = _spread(x_shape, tuple(axis) if type(axis) is list else axis)
    if large:
        return xp(g).broadcast_to(g.reshape(kept), x_shape)
    repeated = xp(g).empty(x_shape, g.dtype)
    repeated[...] = g if kept is None else g.reshape(kept)  # of few, sooner done than a view that repeats them
    return repeated


@operation(x=either(_sum_vjp, _spread_out), moves=True)
def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over `axis` (None: all, an int, or several). Integers and booleans give int64."""
    axes = axis if axis is None else _axes(x.ndim, tuple(axis) if type(axis) is list else axis)  # as `_checked`
    return kernels.reduce_sum(x, axes, keepdims)  # type: ignore[attr-defined]


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


def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis`."""
    x = as_float(as_tensor(x))
    return sum(x, axis, keepdims) * (1.0 / count(x.shape, axis)) if x.size else sum(x, axis, keepdims) / 0.0


def _deviation(x: Tensor, axis: Axis) -> Tensor:
    return x - mean(x, axis, keepdims=True)


def var(x: ArrayLike, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance over `axis`: squared deviations over n - correction."""
    x = as_float(as_tensor(x))
    return sum(square(_deviation(x, axis)), axis, keepdims) / (count(x.shape, axis) - correction)


def std(x: ArrayLike, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The standard deviation over `axis`; its gradient is 0 where it is 0."""
    x = as_float(as_tensor(x))
    return vector_norm(_deviation(x, axis), axis, keepdims) / math.sqrt(count(x.shape, axis) - correction)


def _norm_vjp(g: Tensor, y: Tensor, x: Tensor, axis: Axis) -> Tensor:
    shape = kept_shape(x.shape, axis)
    y = y.reshape(shape)
    return g.reshape(shape) * (x / where(y == 0, 1.0, y))


@operation(x=_norm_vjp)
def vector_norm(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The Euclidean norm over `axis`; its gradient at 0 is 0, the subgradient of least norm."""
    axes = _checked(x, axis)
    scale = xp(x).abs(x).max(axis=axes, keepdims=True, initial=0)  # neither overflow nor underflow of the squares
    scale = xp(x).where((scale == 0) | ~xp(x).isfinite(scale), 1, scale).astype(x.dtype)
    r = x / scale
    squares = kernels.sum_of_squares(r, axes, keepdims)  # type: ignore[attr-defined]
    return xp(x).sqrt(squares) * scale.reshape(
        kept_shape(x.shape, axis) if keepdims else [n for i, n in enumerate(x.shape) if i not in axes_of(x.ndim, axis)]
    )


def _wide(x: Tensor) -> Tensor:
    """bfloat16 as float32."""
    return as_dtype(x, arithmetic(x.dtype))


def prod(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over `axis`, by halving: exact gradients of every order where entries are 0."""
    x = _wide(as_tensor(x))
    shape = x.shape
    axes = axes_of(x.ndim, axis)
    rest = [i for i in range(x.ndim) if i not in axes]
    flat = moveaxis(x, axes, range(len(axes))).reshape((count(shape, axis), *(shape[i] for i in rest)))
    if not len(flat):
        flat = Tensor(xp(x._data).ones((1, *flat.shape[1:]), dtype=x.dtype))
    while len(flat) > 1:
        half = len(flat) // 2
        paired = flat[:half] * flat[half : 2 * half]
        flat = concat([paired, flat[2 * half :]]) if len(flat) % 2 else paired
    return flat.reshape(kept_shape(shape, axis) if keepdims else tuple(shape[i] for i in rest))


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
    total = kernels.reduce_sum(xp(x).exp(x - top), axes, True)  # type: ignore[attr-defined]
    total = xp(x).log(total) + top
    return total if keepdims else total.reshape([n for i, n in enumerate(x.shape) if i not in axes])


@operation(x=lambda g, axis: flip(cumsum(flip(g, axis), axis), axis), moves=True, name="cumulative_sum")
def _cumulative_sum(x: Any, axis: int) -> Any:
    return x.cumsum(axis=axis)


def cumulative_sum(x: ArrayLike, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """The running sum along `axis`, of a 1-D array by default; `include_initial` puts the empty sum, 0, in front.

    Raises:
        ValueError: no axis for more than one dimension.
    """
    x = as_tensor(x)
    axis = _only_axis(x, axis, "cumulative_sum")
    y = _cumulative_sum(x, axis)
    return _with_initial(y, axis, 0) if include_initial else y


def cumsum(x: ArrayLike, axis: int | None = None) -> Tensor:
    """The running sum along `axis`; of a 1-D array by default."""
    return cumulative_sum(x, axis)


def _with_initial(y: Tensor, axis: int, value: int) -> Tensor:
    shape = tuple(1 if i == axis else n for i, n in enumerate(y.shape))
    return concat([Tensor(xp(y._data).full(shape, value, dtype=y.dtype)), y], axis)


def cumulative_prod(x: ArrayLike, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """The running product along `axis`, by doubling: exact gradients of every order where entries are 0.

    `include_initial` puts the empty product, 1, in front.
    """
    x = _wide(as_tensor(x))
    axis = _only_axis(x, axis, "cumulative_prod")
    if include_initial:
        return _with_initial(cumulative_prod(x, axis), axis, 1)
    y = moveaxis(x, axis, 0)
    step = 1
    while step < len(y):
        y = concat([y[:step], y[step:] * y[:-step]])
        step *= 2
    return moveaxis(y, 0, axis)


def _only_axis(x: Tensor, axis: int | None, who: str) -> int:
    if axis is None and x.ndim != 1:
        raise ValueError(f"{who} needs an axis for {x.ndim} dimensions")
    return axes_of(x.ndim, 0 if axis is None else axis)[0]


def diff(x: ArrayLike, axis: int = -1, n: int = 1) -> Tensor:
    """Differences of neighbours along `axis`, `n` times over."""
    y = moveaxis(x, axis, 0)
    for _ in range(n):
        y = y[1:] - y[:-1]
    return moveaxis(y, 0, axis)


# -- no gradient ---------------------------------------------------------------------------------------------


def _bare(name: str, doc: str) -> Primitive:
    def forward(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        axis = _checked(x, axis)
        if name.startswith("arg") and axis is not None:
            axis = axis[0]
        return getattr(xp(x), name)(x, axis=axis, keepdims=keepdims)

    forward.__name__ = forward.__qualname__ = name
    forward.__doc__ = doc
    return operation()(forward)


any: Primitive = _bare("any", "Whether some entry over `axis` is true.")
all: Primitive = _bare("all", "Whether every entry over `axis` is true.")
argmax: Primitive = _bare("argmax", "The index of the largest entry along `axis` (of the flattened array when None).")
argmin: Primitive = _bare("argmin", "The index of the smallest entry along `axis` (of the flattened array when None).")
count_nonzero: Primitive = _bare("count_nonzero", "How many entries over `axis` are not 0.")
