"""Parameters of distributions: of one dtype, broadcast together, and held to their domain."""

from typing import Any

import numpy as np

from tinygen import ops
from tinygen.kernels.array_module import arithmetic, xp
from tinygen.kernels.capture import capturing
from tinygen.tensor import ArrayLike, Tensor, asarray, float32, float64


def of_one_dtype(*values: ArrayLike) -> tuple[Tensor, ...]:
    """The values as tensors of the widest floating dtype among the arrays; numbers and integers follow it.

    bfloat16 becomes float32, so that densities, divergences and draws are float32 whatever the network gave.
    """
    kinds = {v.dtype if isinstance(v, Tensor) else None for v in values}
    if kinds == {float32} or kinds == {float64}:
        return values  # type: ignore[return-value]
    found = [arithmetic(v.dtype) for v in values if hasattr(v, "dtype") and v.dtype.kind in "fV"]
    dtype = np.result_type(*found) if found else float32
    return tuple(as_dtype(v, dtype) for v in values)


def as_dtype(value: ArrayLike, dtype: Any) -> Tensor:
    """`value` as a tensor of `dtype`; a tensor keeps its history."""
    if isinstance(value, Tensor):
        return value if value.dtype == dtype else ops.astype(value, dtype)
    return Tensor(asarray(value, dtype))


def parameters(who: str, **values: ArrayLike) -> tuple[Tensor, ...]:
    """The named values as tensors of one dtype and one shape, the batch's.

    Raises:
        ValueError: shapes that do not broadcast together.
    """
    tensors = of_one_dtype(*values.values())
    if all(tensor.shape == tensors[0].shape for tensor in tensors):
        return tensors
    try:
        return ops.broadcast_arrays(*tensors)
    except ValueError:
        found = " and ".join(f"{name} of shape {t.shape}" for name, t in zip(values, tensors))
        raise ValueError(f"{who}: {found} do not broadcast together: sizes must be equal or 1") from None


def require(who: str, name: str, value: Tensor, holds: Any, wanted: str) -> None:
    """Raises ValueError with the first entry of `value` where the boolean array `holds` is false.

    Not where a step is being captured: no value is known then.
    """
    if not capturing() and not holds.all():
        good = np.asarray(Tensor(xp(value._data).asarray(holds)))
        bad = np.asarray(value)[~good].flat[0]
        raise ValueError(f"{who}: {name} must be {wanted}, found {bad:g}")


def finite(who: str, name: str, value: Tensor) -> None:
    """Raises ValueError unless every entry is a finite number."""
    if not capturing():
        require(who, name, value, xp(value._data).isfinite(value._data), "finite")


def positive(who: str, name: str, value: Tensor) -> None:
    """Raises ValueError unless every entry is finite and above 0."""
    array = value._data
    if not capturing():
        require(who, name, value, xp(array).isfinite(array) & (array > 0), "finite and above 0")


def weighted(weight: Tensor, value: Tensor) -> Tensor:
    """weight times value with 0 times infinity = 0, as p log p has it."""
    used = weight > 0
    return ops.where(used, weight * ops.where(used, value, 0.0), 0.0)


def weighted_difference(weight: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """weight (a - b), 0 where the weight is, whatever infinities stand there."""
    used = weight > 0
    return weight * (ops.where(used, a, 0.0) - ops.where(used, b, 0.0))
