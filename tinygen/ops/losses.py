"""Losses as fused chains: one pass over memory forward and one backward, sums included; only arguments are kept.

Held by tests/ops/test_registry.py and tests/pytorch/.
"""

from tinygen.autodiff.fusion import fused_operation
from tinygen.ops.elementwise import softplus, square
from tinygen.tensor import Tensor


@fused_operation(total="all")
def squared_distance(x: Tensor, target: Tensor) -> Tensor:
    """The sum of (x - target)^2."""
    return square(x - target)


@fused_operation(total="examples")
def squared_distance_by_example(x: Tensor, target: Tensor) -> Tensor:
    """The sum of (x - target)^2 over the entries of each example: (N,)."""
    return square(x - target)


@fused_operation()
def logistic_loss(x: Tensor, target: Tensor) -> Tensor:
    """-t log sigmoid(x) - (1 - t) log sigmoid(-x) = softplus(x) - t x, for logits x and targets t."""
    return softplus(x) - target * x


@fused_operation(total="all")
def logistic_loss_in_all(x: Tensor, target: Tensor) -> Tensor:
    """The sum of `logistic_loss`."""
    return softplus(x) - target * x
