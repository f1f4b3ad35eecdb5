"""What a flow is, and flows of flows.

With y = f(x), `forward` gives y and log|det dy/dx|, `inverse` gives x and log|det dx/dy|, one number per example.
Composition adds them: log|det d(g o f)/dx| = log|det dg/dy| + log|det df/dx| (Rezende and Mohamed 2015, eq. 7).
Held by tinygen.checks.flow (33).
"""

from collections.abc import Callable
from typing import Any

from tinygen import nn
from tinygen.ops.creation import zeros
from tinygen.tensor import Tensor


class Flow(nn.Module):
    """An invertible map of examples (N, ...): subclasses define `forward(x)` and `inverse(y)`.

    Each returns the image and the log-determinant of its own Jacobian, (N,), in nats. No example sees another.
    """

    inverse: Callable[[Tensor], tuple[Tensor, Tensor]]

    def __getattr__(self, name: str) -> Any:
        if name == "inverse":
            raise AttributeError(f"{type(self).__name__} is no flow: it defines no inverse")
        return super().__getattr__(name)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of one image y, given that of one example x.

        Raises:
            ValueError: an example of that shape has no image.
        """
        return shape


class Composed(Flow):
    """The flows one after the other: y = f_K(... f_2(f_1(x))). Without any, the identity."""

    def __init__(self, *flows: Flow):
        self.flows = nn.ModuleList(flows)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = no_change(x)
        for flow in self.flows:
            x, log_det = flow(x)
            total = total + log_det
        return x, total

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        total = no_change(y)
        for flow in reversed(list(self.flows)):
            y, log_det = flow.inverse(y)
            total = total + log_det
        return y, total

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        for flow in self.flows:
            shape = flow.output_shape(shape)  # type: ignore[attr-defined]
        return shape


class Inverse(Flow):
    """A flow turned round: what was `inverse` is `forward`. For maps that keep the shape of an example."""

    def __init__(self, flow: Flow):
        self.flow = flow

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.inverse(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.flow.forward(y)


def no_change(x: Tensor) -> Tensor:
    """The log-determinant of a map that keeps volume: zeros (N,)."""
    return zeros(x.shape[0], dtype=x.dtype, device=x.device)


def per_example(x: Tensor) -> Tensor:
    """The sum over all entries of each example: (N,)."""
    return x.reshape(x.shape[0], -1).sum(axis=1)
