"""Batch, group, instance, layer and RMS normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias.

They differ in the axes the mean and the (biased) variance run over: Ioffe and Szegedy 2015 (batch), Wu and He 2018
(group; with one channel a group: instance), Ba et al. 2016 (layer), Zhang and Sennrich 2019 (RMS: no mean).
First gradients are one kernel each; higher orders go through the `..._composed` formula beside it.
"""

from typing import Any

from tinygen import kernels
from tinygen.autodiff import guard
from tinygen.autodiff.primitive import Kept, either, joint, operation
from tinygen.autodiff.room import room
from tinygen.autodiff.transforms import vjp
from tinygen.ops.elementwise import rectified, silu, sqrt, square
from tinygen.ops.linalg import floating, same_dtype
from tinygen.ops.reduction import mean
from tinygen.tensor import Tensor


def _standardised(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    centred = x - mean(x, axes, keepdims=True)
    return centred / sqrt(mean(square(centred), axes, keepdims=True) + eps)


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _channels(x: Tensor) -> tuple[int, ...]:
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


def _by_composition(formula: Any, g: Tensor, *arguments: Tensor | None) -> tuple[Tensor | None, ...]:
    """The vjp of `formula(*arguments)` as recorded operations; None stays None."""
    present = [a for a in arguments if a is not None]

    def of_present(*values: Tensor) -> Tensor:
        rest = iter(values)
        return formula(*(None if a is None else next(rest) for a in arguments))

    made = iter(vjp(of_present, *present)[1](g))
    return tuple(None if a is None else next(made) for a in arguments)


def _check(who: str, x: Any, weight: Any, bias: Any = None) -> None:
    """A TypeError unless x is floating, and what it is scaled and shifted by of its dtype."""
    dtype = x.dtype
    if dtype.kind == "f" and (weight is None or weight.dtype is dtype) and (bias is None or bias.dtype is dtype):
        return
    floating(who, x)
    same_dtype(who, x, weight, bias)


# -- batch ---------------------------------------------------------------------------------------------------


def batch_norm_composed(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    negative_slope: float = 1.0,
    given: tuple[Any, Any] | None = None,
) -> Tensor:
    """Batch normalisation by the batch's own statistics, or by a `given` mean and 1 / deviation, arrays (C,), negative
    results times a slope, in operations."""
    shape = _channels(x)
    if given is None:
        y = _standardised(x, (0, *range(2, x.ndim)), eps)
    else:
        mean, rstd = (Tensor(a.reshape(shape)) for a in given)
        y = (x - mean) * rstd
    return rectified(_affine(y, weight, bias, shape), negative_slope)


def _batch_norm_vjp(
    g: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    negative_slope: float,
    own: bool,
    mean: Any,
    rstd: Any,
    signs: Any,
) -> tuple[Tensor | None, ...]:
    given = None if own else (mean, rstd)
    formula = lambda x, w, b: batch_norm_composed(x, w, b, eps, negative_slope, given)
    return _by_composition(formula, g, x, weight, bias)


def _batch_norm_gradients(
    g: Any,
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    negative_slope: float,
    own: bool,
    mean: Any,
    rstd: Any,
    signs: Any,
) -> tuple[Any, ...]:
    return kernels.batch_norm_backward(g, x, weight, mean, rstd, signs, negative_slope, room(g), own)  # type: ignore[attr-defined]


@operation(joint(either(_batch_norm_vjp, _batch_norm_gradients), "x", "weight", "bias"), overwrites=True)
def batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    eps: float,
    running: tuple[Any, Any, float] | None = None,
    negative_slope: float = 1.0,
    own: bool = True,
) -> Any:
    """Batch normalisation of x (N, C, ...), negative results times a slope, fused: by the batch's `own` statistics.
    `running`, where given, holds a mean and a variance, which move in place towards these, and by how much; or by which
    x is normalised, if not by its own."""
    _check("batch_norm", x, weight, bias)
    y, mean, rstd = kernels.batch_norm(x, weight, bias, eps, negative_slope, running, own)  # type: ignore[attr-defined]
    if running is not None and own:
        guard.written(*running[:2])
    return Kept(y, mean=mean, rstd=rstd, signs=None if negative_slope == 1 else y)


# -- group ---------------------------------------------------------------------------------------------------


def group_norm_composed(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, num_groups: int, eps: float, activation: bool
) -> Tensor:
    """Group normalisation, then SiLU where asked, in operations."""
    grouped = x.reshape(x.shape[0], num_groups, -1)
    y = _affine(_standardised(grouped, (2,), eps).reshape(x.shape), weight, bias, _channels(x))
    return silu(y) if activation else y


def _group_norm_vjp(
    g: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    num_groups: int,
    eps: float,
    activation: bool,
    mean: Any,
    rstd: Any,
) -> tuple[Tensor | None, ...]:
    formula = lambda x, w, b: group_norm_composed(x, w, b, num_groups, eps, activation)
    return _by_composition(formula, g, x, weight, bias)


def _group_norm_gradients(
    g: Any, x: Any, weight: Any, bias: Any, num_groups: int, eps: float, activation: bool, mean: Any, rstd: Any
) -> tuple[Any, ...]:
    return kernels.group_norm_backward(g, x, num_groups, weight, bias, mean, rstd, activation, room(g))  # type: ignore[attr-defined]


@operation(joint(either(_group_norm_vjp, _group_norm_gradients), "x", "weight", "bias"), overwrites=True)
def group_norm(x: Any, weight: Any, bias: Any, num_groups: int, eps: float, activation: bool = False) -> Any:
    """Group normalisation of x (N, C, ...), C divisible by num_groups; with `activation`, SiLU of it, fused."""
    _check("group_norm", x, weight, bias)
    y, mean, rstd = kernels.group_norm(x, num_groups, weight, bias, eps, activation)  # type: ignore[attr-defined]
    return Kept(y, mean=mean, rstd=rstd)


# -- layer and RMS -------------------------------------------------------------------------------------------


def layer_norm_composed(x: Tensor, weight: Tensor | None, bias: Tensor | None, ndim: int, eps: float) -> Tensor:
    """Layer normalisation over the last `ndim` axes, in operations."""
    return _affine(_standardised(x, tuple(range(-ndim, 0)), eps), weight, bias, x.shape[-ndim:])


def _layer_norm_vjp(
    g: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    ndim: int,
    eps: float,
    mean: Any,
    rstd: Any,
) -> tuple[Tensor | None, ...]:
    return _by_composition(lambda x, w, b: layer_norm_composed(x, w, b, ndim, eps), g, x, weight, bias)


def _layer_norm_gradients(
    g: Any, x: Any, weight: Any, bias: Any, ndim: int, eps: float, mean: Any, rstd: Any
) -> tuple[Any, ...]:
    return kernels.layer_norm_backward(g, x, ndim, weight, mean, rstd)  # type: ignore[attr-defined]


@operation(joint(either(_layer_norm_vjp, _layer_norm_gradients), "x", "weight", "bias"))
def layer_norm(x: Any, weight: Any, bias: Any, ndim: int, eps: float) -> Any:
    """Layer normalisation of x over its last `ndim` axes."""
    _check("layer_norm", x, weight, bias)
    y, mean, rstd = kernels.layer_norm(x, ndim, weight, bias, eps)  # type: ignore[attr-defined]
    return Kept(y, mean=mean, rstd=rstd)


def rms_norm_composed(x: Tensor, weight: Tensor | None, ndim: int, eps: float) -> Tensor:
    """RMS normalisation over the last `ndim` axes, in operations."""
    y = x / sqrt(mean(square(x), tuple(range(-ndim, 0)), keepdims=True) + eps)
    return _affine(y, weight, None, x.shape[-ndim:])


def _rms_norm_vjp(
    g: Tensor, x: Tensor, weight: Tensor | None, ndim: int, eps: float, rstd: Any
) -> tuple[Tensor | None, ...]:
    return _by_composition(lambda x, w: rms_norm_composed(x, w, ndim, eps), g, x, weight)


def _rms_norm_gradients(g: Any, x: Any, weight: Any, ndim: int, eps: float, rstd: Any) -> tuple[Any, ...]:
    return kernels.rms_norm_backward(g, x, ndim, weight, rstd)  # type: ignore[attr-defined]


@operation(joint(either(_rms_norm_vjp, _rms_norm_gradients), "x", "weight"))
def rms_norm(x: Any, weight: Any, ndim: int, eps: float) -> Any:
    """x over its root mean square along the last `ndim` axes."""
    _check("rms_norm", x, weight)
    y, rstd = kernels.rms_norm(x, ndim, weight, eps)  # type: ignore[attr-defined]
    return Kept(y, rstd=rstd)
