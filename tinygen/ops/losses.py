"""Two losses as single operations: fewer passes over memory than their formulas in parts; only arguments are kept.

Held by tests/ops/test_registry.py and tests/pytorch/.
"""

from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import operation
from tinygen.ops.elementwise import sigmoid


@operation(
    x=lambda g, x, target: 2.0 * g * (x - target),
    target=lambda g, x, target: 2.0 * g * (target - x),
)
def squared_distance(x: Any, target: Any) -> Any:
    """The sum of (x - target)^2, of equal shapes."""
    d = (x - target).ravel(order="K")
    return kernels.matmul(d, d)  # type: ignore[attr-defined]


@operation(
    x=lambda g, x, target: g * (sigmoid(x) - target),
    target=lambda g, x: -g * x,
    elementwise=True,
)
def logistic_loss(x: Any, target: Any) -> Any:
    """-t log sigmoid(x) - (1 - t) log sigmoid(-x) = softplus(x) - t x, for logits x and targets t."""
    return kernels.softplus(x) - target * x  # type: ignore[attr-defined]
