"""Entries in another order, so that each coupling sees what the last one left alone (Dinh et al. 2014, section 3.2).

|det| of a permutation is 1. Held by tinygen.checks.flow (33).
"""

from collections.abc import Sequence

import numpy as np

from tinygen.flow.contract import Flow, no_change
from tinygen.ops.indexing import take
from tinygen.tensor import Tensor


class Permutation(Flow):
    """y[:, i] = x[:, order[i]], along axis 1: the coordinates of points, the channels of images.

    Raises:
        ValueError: an order that is no permutation of 0 .. n - 1.
    """

    def __init__(self, order: Sequence[int]):
        if sorted(order) != list(range(len(order))):
            raise ValueError(f"an order holds each of 0 to n - 1 once, not {list(order)}")
        self.register_buffer("order", Tensor(np.array(order, np.int64)))
        self.register_buffer("back", Tensor(np.argsort(np.array(order, np.int64))), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return take(x, self.order, axis=1), no_change(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return take(y, self.back, axis=1), no_change(y)
