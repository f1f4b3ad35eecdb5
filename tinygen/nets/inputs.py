"""What a model is given, as a tensor of its own dtype and where it is: arrays of the host or a device, tensors."""

from typing import Any

from tinygen.device import transfer
from tinygen.tensor import ArrayLike, Tensor, asarray


def as_input(x: ArrayLike, like: Tensor, dtype: Any = None) -> Tensor:
    """`x` without gradient, on the device of `like` and of its dtype unless another is given; not copied needlessly."""
    array = asarray(x).astype(like.dtype if dtype is None else dtype, copy=False)
    return Tensor(transfer(array, like.device))
