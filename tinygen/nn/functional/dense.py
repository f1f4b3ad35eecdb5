"""Affine maps, tables and dropout: linear, embedding, one_hot, dropout.

Held by tests/nn/test_layers.py and tests/pytorch/.
"""

from typing import Any

import numpy as np

from tinygen.autodiff.mixed_precision import operands
from tinygen.kernels.array_module import arithmetic, xp
from tinygen.kernels.definitions.rows import check_index
from tinygen.ops.elementwise import scaled_where
from tinygen.ops.indexing import taken
from tinygen.ops.linear import linear as affine
from tinygen.ops.manipulation import as_tensor
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, DTypeLike, Tensor


def linear(x: ArrayLike, w: ArrayLike, bias: ArrayLike | None = None) -> Tensor:
    """x w^T + bias.

    Args:
        x: (..., I).
        w: (O, I).
        bias: (O,), or None.

    Returns:
        (..., O).

    Raises:
        ValueError: shapes that do not fit.
        TypeError: dtypes that differ.
    """
    x, w = as_tensor(x), as_tensor(w)
    b = None if bias is None else as_tensor(bias)
    of_x, of_w = x.shape, w.shape
    if not of_x or len(of_w) != 2 or of_x[-1] != of_w[1]:
        raise ValueError(
            f"linear: x of shape {of_x} and a weight of shape {of_w} do not fit: the last size of x must equal "
            "the last of the weight (out, in)"
        )
    if b is not None and b.shape != of_w[:1]:
        raise ValueError(f"linear: bias has shape {b.shape}, {of_w[0]} outputs need ({of_w[0]},)")
    return affine(*operands("linear", x, w, b))


def embedding(x: ArrayLike, weight: ArrayLike) -> Tensor:
    """The rows of `weight` (count, width) at integer indices x (...): (..., width).

    Raises:
        IndexError: an index outside 0 to count - 1.
        TypeError: indices that are no integers.
        ValueError: a weight that is no table.
    """
    x, weight = as_tensor(x), as_tensor(weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding: the weight is a table (count, width), not of shape {weight.shape}")
    _integers("embedding", x)
    return taken(weight, x, 0, False, False)


def _integers(who: str, x: Tensor) -> None:
    if x.dtype.kind not in "iu":
        raise TypeError(f"{who}: indices are integers, not {x.dtype}")


def one_hot(x: ArrayLike, num_classes: int = -1, dtype: DTypeLike = None) -> Tensor:
    """A 1 at the place each integer of x (...) names, 0 elsewhere: (..., num_classes), int64 unless a dtype is given.

    Args:
        num_classes: the largest index + 1 by default.

    Raises:
        IndexError: an index outside 0 to num_classes - 1.
        TypeError: x is not of integers.
    """
    x = as_tensor(x)
    places = x._data.reshape(-1)
    count = (int(places.max()) + 1 if places.size else 0) if num_classes == -1 else num_classes
    _integers("one_hot", x)
    check_index((count,), places, 0, False, False)
    made = xp(places).zeros((places.size, count), np.int64 if dtype is None else dtype)
    made[xp(places).arange(places.size), places] = 1
    return Tensor(made.reshape(*x.shape, count) if x.ndim != 1 else made)


def dropout(x: ArrayLike, p: float = 0.5, training: bool = True, rng: Generator | None = None) -> Tensor:
    """x with each entry set to 0 with probability p and the others divided by 1 - p (Srivastava et al. 2014).

    Args:
        training: when False, x itself.
        rng: where the noise comes from; needed in training unless p = 0.

    Raises:
        ValueError: p outside [0, 1].
        TypeError: no generator where one is needed.
    """
    x = as_tensor(x)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is a probability from 0 to 1, not {p}")
    if not training or p == 0.0:
        return x
    if not isinstance(rng, Generator):
        raise TypeError("dropout: in training it needs rng, a tg.random.Generator")
    if p == 1.0:
        return x * 0.0
    kept: Any = rng.uniform(x.shape, arithmetic(x.dtype), x.device)._data >= p
    return scaled_where(x, Tensor(kept), 1.0 / (1.0 - p))
