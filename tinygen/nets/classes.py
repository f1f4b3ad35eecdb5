"""Classes as a condition: what a caller may give in their place, their one-hot rows, and these as planes of images."""

from typing import Any

import numpy as np

from tinygen.nn import functional as F
from tinygen.ops.manipulation import broadcast_to, concat
from tinygen.tensor import Tensor


def class_rows(n: int, given: Any, classes: int, like: Tensor) -> Tensor:
    """One-hot rows (n, classes) of a class, of n classes, or of every class in turn when `given` is None.

    Args:
        like: a tensor of the dtype and on the device that the rows shall have.

    Raises:
        ValueError: what is given is neither, or a class outside 0 to classes - 1.
    """
    labels = np.asarray(np.arange(n) % classes if given is None else given)
    if labels.dtype.kind not in "iu" or labels.shape not in ((), (n,)):
        raise ValueError(f"the condition is a class or {n} of them, not shape {labels.shape} of {labels.dtype}")
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"classes are 0 to {classes - 1}, found {labels.min()} to {labels.max()}")
    return F.one_hot(Tensor(np.broadcast_to(labels, n).astype(np.int64)), classes, like.dtype).to(like.device)


def with_planes(x: Tensor, cond: Tensor) -> Tensor:
    """Images x (N, C, H, W) and the entries of cond (N, K) as planes of constant value: (N, C + K, H, W)."""
    return concat([x, broadcast_to(cond.reshape(*cond.shape, 1, 1), (*cond.shape, *x.shape[2:]))], axis=1)
