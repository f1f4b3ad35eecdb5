"""Cold diffusion: Bansal et al. 2022, "Cold diffusion: inverting arbitrary image transforms without noise".

Any degradation D(x_0, s) of severity s = 0 .. T with D(x_0, 0) = x_0, and a restorer R(x_s, s) that guesses x_0.

    naive (algorithm 1)       x_{s-1} = D(R(x_s, s), s - 1)
    improved (algorithm 2)    x_{s-1} = x_s - D(R(x_s, s), s) + D(R(x_s, s), s - 1)

Where D is linear in s the improved sampler undoes it exactly, whatever the restorer says: what it gets wrong cancels
(section 3.3 there). Held by tinygen.checks.diffusion (21).
"""

from collections.abc import Callable, Iterator

from tinygen.autodiff.tape import no_grad
from tinygen.tensor import Tensor

Severity = Callable[[Tensor, int], Tensor]
"""Maps images (N, ...) and a severity to images of the same shape: a degradation, or a restorer."""


def naive_steps(restore: Severity, degrade: Severity, x_T: Tensor, severity: int) -> Iterator[tuple[int, Tensor]]:
    """Yields (s, x_s) from s = severity - 1 down to 0 by algorithm 1, starting at `x_T` (N, ...)."""
    x = x_T
    for s in range(severity, 0, -1):
        with no_grad():
            x = degrade(restore(x, s), s - 1)
        yield s - 1, x


def improved_steps(restore: Severity, degrade: Severity, x_T: Tensor, severity: int) -> Iterator[tuple[int, Tensor]]:
    """Yields (s, x_s) from s = severity - 1 down to 0 by algorithm 2, starting at `x_T` (N, ...)."""
    x = x_T
    for s in range(severity, 0, -1):
        with no_grad():
            x_0 = restore(x, s)
            x = x - degrade(x_0, s) + degrade(x_0, s - 1)
        yield s - 1, x
