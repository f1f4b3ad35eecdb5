"""Classes as a condition: what a caller may give in their place, their one-hot rows, and these as planes of images."""

from typing import Any

import numpy as np

from tinygen.device import transfer
from tinygen.kernels.capture import capturing
from tinygen.nn import functional as F
from tinygen.ops.joining import concat
from tinygen.ops.manipulation import broadcast_to
from tinygen.tensor import Tensor, asarray


def class_rows(n: int, given: Any, classes: int, like: Tensor) -> Tensor:
    """One-hot rows (n, classes) of a class, of n classes, or of every class in turn when `given` is None.

    Args:
        like: a tensor of the dtype and on the device that the rows shall have.

    Raises:
        ValueError: what is given is neither, or a class outside 0 to classes - 1.
    """
    labels = asarray(np.arange(n) % classes if given is None else given)
    if labels.dtype.kind not in "iu" or labels.shape not in ((), (n,)):
        raise ValueError(f"the condition is a class or {n} of them, not shape {labels.shape} of {labels.dtype}")
    if labels.size and not capturing() and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"classes are 0 to {classes - 1}, found {labels.min()} to {labels.max()}")
    each = transfer(labels.reshape(-1).astype(np.int64, copy=False), like.device)
    return F.one_hot(broadcast_to(Tensor(each), (n,)), classes, like.dtype)


def with_planes(x: Tensor, cond: Tensor) -> Tensor:
    """Images x (N, C, H, W) and the entries of cond (N, K) as planes of constant value: (N, C + K, H, W)."""
    return concat([x, broadcast_to(cond.reshape(*cond.shape, 1, 1), (*cond.shape, *x.shape[2:]))], axis=1)
