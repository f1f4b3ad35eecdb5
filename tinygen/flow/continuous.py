"""The continuous flow: Chen et al. 2018, "Neural ordinary differential equations", section 4.

    dx/dt = f(x, t),    d log|det| / dt = tr df/dx,    0 <= t <= T                                       (theorem 1)

f is any field, for its flow is invertible: back is the same equation from T to 0. Both are carried by the classical
Runge-Kutta method in equal steps, so inverse and log-determinant are those of the flow up to O(step^4). The trace is
exact, at one vjp per entry of an example. Held by tinygen.checks.flow (33, and 35: x' = A x moves points by expm(A T)
with log-determinant T tr A).
"""

from collections.abc import Callable

from tinygen.autodiff.transforms import value_and_divergence
from tinygen.flow.contract import Flow, no_change
from tinygen.ops.creation import full
from tinygen.tensor import Tensor


class ContinuousFlow(Flow):
    """The flow of dx/dt = field(x, t) over a time: (N, ...) to the same shape.

    Args:
        field: maps x (N, ...) and t (N,) to dx/dt, smooth in both; a module where it has parameters.
        time: T.
        steps: of the method in each direction; four evaluations of the field and its divergence each.

    Raises:
        ValueError: less than one step.
    """

    def __init__(self, field: Callable[[Tensor, Tensor], Tensor], time: float = 1.0, steps: int = 16):
        if steps < 1:
            raise ValueError(f"ContinuousFlow: steps is at least 1, not {steps}")
        self.field, self.time, self.steps = field, time, steps

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._carried(x, 0.0, self.time)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return self._carried(y, self.time, 0.0)

    def _carried(self, x: Tensor, start: float, end: float) -> tuple[Tensor, Tensor]:
        """x and the integral of the trace, by Runge-Kutta from `start` to `end`."""
        h, log_det = (end - start) / self.steps, no_change(x)
        for i in range(self.steps):
            t = start + i * h
            v1, d1 = self._slope(x, t)
            v2, d2 = self._slope(x + 0.5 * h * v1, t + 0.5 * h)
            v3, d3 = self._slope(x + 0.5 * h * v2, t + 0.5 * h)
            v4, d4 = self._slope(x + h * v3, t + h)
            x = x + h / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4)
            log_det = log_det + h / 6.0 * (d1 + 2.0 * d2 + 2.0 * d3 + d4)
        return x, log_det

    def _slope(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        """dx/dt and its trace at time t."""
        times = full((x.shape[0],), t, dtype=x.dtype, device=x.device)
        return value_and_divergence(lambda z: self.field(z, times), x)
