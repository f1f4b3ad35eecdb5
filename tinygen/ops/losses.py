"""Losses as fused chains: one pass over memory forward and one backward, sums included; only arguments are kept.

Each formula stands here once: entry by entry, its sum and its mean are three operations of it.
Held by tests/ops/test_registry.py and tests/pytorch/.
"""

from typing import Any

from tinygen.autodiff.fusion import fused_operation
from tinygen.ops.elementwise import abs as absolute
from tinygen.ops.elementwise import softplus, square, where
from tinygen.tensor import Tensor


def _squared_difference(x: Tensor, target: Tensor) -> Tensor:
    """(x - target)^2."""
    return square(x - target)


def _absolute_difference(x: Tensor, target: Tensor) -> Tensor:
    """|x - target|."""
    return absolute(x - target)


def _huber(x: Tensor, target: Tensor, delta: Any) -> Tensor:
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) beyond, for d = x - target."""
    d = x - target
    size = absolute(d)
    return where(size < delta, 0.5 * square(d), delta * (size - 0.5 * delta))


def _logistic_loss(x: Tensor, target: Tensor) -> Tensor:
    """-t log sigmoid(x) - (1 - t) log sigmoid(-x) = softplus(x) - t x, for logits x and targets t."""
    return softplus(x) - target * x


squared_difference = fused_operation(name="squared_difference")(_squared_difference)
squared_distance = fused_operation("all", "squared_distance")(_squared_difference)
mean_squared_distance = fused_operation("mean", "mean_squared_distance")(_squared_difference)
squared_distance_by_example = fused_operation("examples", "squared_distance_by_example")(_squared_difference)

absolute_difference = fused_operation(name="absolute_difference")(_absolute_difference)
absolute_distance = fused_operation("all", "absolute_distance")(_absolute_difference)
mean_absolute_distance = fused_operation("mean", "mean_absolute_distance")(_absolute_difference)

huber = fused_operation(name="huber")(_huber)
huber_in_all = fused_operation("all", "huber_in_all")(_huber)
mean_huber = fused_operation("mean", "mean_huber")(_huber)

logistic_loss = fused_operation(name="logistic_loss")(_logistic_loss)
logistic_loss_in_all = fused_operation("all", "logistic_loss_in_all")(_logistic_loss)
mean_logistic_loss = fused_operation("mean", "mean_logistic_loss")(_logistic_loss)
