"""Losses, each with reduction "mean" (over every entry), "sum" or "none".

Held by tests/nn/test_layers.py and tests/pytorch/.
"""

from typing import Any

from tinygen.autodiff.mixed_precision import as_dtype
from tinygen.kernels.array_module import arithmetic
from tinygen.ops.linalg import same_dtype
from tinygen.ops.losses import (
    absolute_difference,
    absolute_distance,
    huber,
    huber_in_all,
    logistic_loss,
    logistic_loss_in_all,
    mean_absolute_distance,
    mean_huber,
    mean_logistic_loss,
    mean_squared_distance,
    squared_difference,
    squared_distance,
)
from tinygen.ops.manipulation import as_tensor, moveaxis
from tinygen.ops.reduction import mean
from tinygen.ops.reduction import sum as total
from tinygen.ops.softmax import cross_entropy_rows, log_softmax
from tinygen.tensor import ArrayLike, Tensor, float32


def _reduced(who: str, losses: Tensor, reduction: str) -> Tensor:
    match reduction:
        case "mean":
            return mean(losses)
        case "sum":
            return total(losses)
        case "none":
            return losses
    raise _unknown(who, reduction)


def _unknown(who: str, reduction: Any) -> ValueError:
    return ValueError(f'{who}: reduction is "mean", "sum" or "none", not {reduction!r}')


def _pair(who: str, x: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
    """Both as tensors of one shape and one dtype, in which they are computed with."""
    x, target = as_tensor(x), as_tensor(target)
    a, b = x._data, target._data
    if a.shape != b.shape:
        raise ValueError(f"{who}: shapes {a.shape} and {b.shape} must be equal; nothing is broadcast here")
    if a.dtype is b.dtype is float32:  # nearly always
        return x, target
    same_dtype(who, x, target)
    dtype = arithmetic(x.dtype)
    return as_dtype(x, dtype), as_dtype(target, dtype)


def _entry_by_entry(
    who: str, by_reduction: dict[str, Any], x: ArrayLike, target: ArrayLike, reduction: str, *options: float
) -> Tensor:
    """The loss by that operation of its formula which reduces it so."""
    loss = by_reduction.get(reduction)
    if loss is None:
        raise _unknown(who, reduction)
    return loss(*_pair(who, x, target), *options)  # type: ignore[no-any-return]


_SQUARED = {"mean": mean_squared_distance, "sum": squared_distance, "none": squared_difference}
_ABSOLUTE = {"mean": mean_absolute_distance, "sum": absolute_distance, "none": absolute_difference}
_HUBER = {"mean": mean_huber, "sum": huber_in_all, "none": huber}
_LOGISTIC = {"mean": mean_logistic_loss, "sum": logistic_loss_in_all, "none": logistic_loss}


def mse_loss(x: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Tensor:
    """(x - target)^2, of equal shapes.

    Raises:
        ValueError: shapes that differ, or an unknown reduction.
        TypeError: dtypes that differ.
    """
    return _entry_by_entry("mse_loss", _SQUARED, x, target, reduction)


def l1_loss(x: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Tensor:
    """|x - target|, of equal shapes; gradient 0 where they meet.

    Raises:
        ValueError: shapes that differ, or an unknown reduction.
        TypeError: dtypes that differ.
    """
    return _entry_by_entry("l1_loss", _ABSOLUTE, x, target, reduction)


def huber_loss(x: ArrayLike, target: ArrayLike, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) beyond, for d = x - target, of equal shapes (Huber 1964).

    Raises:
        ValueError: shapes that differ, an unknown reduction, or a delta that is not positive.
        TypeError: dtypes that differ.
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, not {delta}")
    return _entry_by_entry("huber_loss", _HUBER, x, target, reduction, float(delta))


def binary_cross_entropy_with_logits(x: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Tensor:
    """-t log sigmoid(x) - (1 - t) log sigmoid(-x) = softplus(x) - t x, for logits x and targets t in [0, 1].

    Raises:
        ValueError: shapes that differ, or an unknown reduction.
        TypeError: dtypes that differ.
    """
    return _entry_by_entry("binary_cross_entropy_with_logits", _LOGISTIC, x, target, reduction)


def cross_entropy(x: ArrayLike, target: ArrayLike, reduction: str = "mean") -> Tensor:
    """-log softmax(x)[target], nats, over the classes along axis 1 of logits x.

    Args:
        x: logits (N, C, ...), or (C,).
        target: classes, integers (N, ...) or (); or probabilities of x's shape and dtype.
        reduction: "mean" is over all places (N, ...).

    Raises:
        ValueError: shapes that do not fit, a class outside 0 to C - 1, an unknown reduction.
        TypeError: dtypes that differ.
    """
    x, target = as_tensor(x), as_tensor(target)
    shape, classes = x._data.shape, target._data
    if not shape:
        raise ValueError("cross_entropy: logits are (N, C, ...) or (C,), not a number")
    if classes.dtype.kind not in "iu":
        x, target = _pair("cross_entropy", x, target)
        axis = 1 if len(shape) > 1 else 0
        return _reduced("cross_entropy", -total(target * log_softmax(x, axis), axis), reduction)
    places = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
    if classes.shape != places:
        raise ValueError(f"cross_entropy: logits of shape {shape} need targets of shape {places}, found {target.shape}")
    if len(shape) != 2:
        x = moveaxis(x, 1, -1).reshape(target.size, shape[1]) if len(shape) > 2 else x.reshape(1, -1)
        target = target.reshape(-1)
    count = classes.size
    if count and (reduction == "mean" or reduction == "sum"):
        return cross_entropy_rows(x, target, 1.0 if reduction == "sum" else 1.0 / count)
    return _reduced("cross_entropy", cross_entropy_rows(x, target).reshape(places), reduction)
