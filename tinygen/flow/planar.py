"""The planar flow (Rezende and Mohamed 2015, section 4.1 and appendix A.1): y = x + u_hat tanh(w.x + b).

    log|det dy/dx| = log|1 + u_hat.psi|,  psi = (1 - tanh^2(w.x + b)) w                              (eqs. 11, 12)
    u_hat = u + (m(w.u) - w.u) w / |w|^2,  m(a) = -1 + log(1 + e^a)                                  (appendix A.1)

The second line makes w.u_hat = m(w.u) > -1, which is what invertibility asks for: then alpha + w.u_hat tanh(alpha + b)
rises with alpha = w.x, and its value w.y has one root. Held by tinygen.checks.flow (33) and tests/flow/test_planar.py.
"""

import numpy as np

from tinygen import nn
from tinygen.autodiff.tape import no_grad
from tinygen.flow.contract import Flow
from tinygen.nn import init
from tinygen.ops.creation import empty, zeros
from tinygen.ops.elementwise import log, softplus, tanh
from tinygen.ops.linalg import matmul
from tinygen.random import Generator
from tinygen.tensor import Tensor

BISECTIONS = 80
"""Halvings of an interval of length 2 |w.u_hat|: to rounding in double precision."""


class Planar(Flow):
    """A ridge across the plane w.x = -b: points (N, D) are moved along u_hat.

    Args:
        size: D.
        rng: of the first w and u, normal with standard deviation 0.1 / sqrt(D) and 1 / sqrt(D) for w.
    """

    def __init__(self, size: int, *, rng: Generator):
        self.w = nn.Parameter(init.normal_(empty(size), std=size**-0.5, rng=rng))
        self.u = nn.Parameter(init.normal_(empty(size), std=0.1 * size**-0.5, rng=rng))
        self.b = nn.Parameter(zeros(1))

    @property
    def u_hat(self) -> Tensor:
        """u moved along w until w.u_hat = m(w.u) > -1: (D,)."""
        inner = (self.w * self.u).sum()
        return self.u + (softplus(inner) - 1.0 - inner) * self.w / (self.w * self.w).sum()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = self.u_hat
        ridge = tanh(matmul(x, self.w) + self.b)
        return x + ridge.reshape(-1, 1) * u, self._log_det(ridge, u)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        u = self.u_hat
        target, slope = matmul(y, self.w), (self.w * u).sum()
        with no_grad():
            alpha = self._root(target, slope)
        # One step of Newton, recorded, gives the root its gradients: those of the implicit function theorem.
        ridge = tanh(alpha + self.b)
        alpha = alpha - (alpha + slope * ridge - target) / (1.0 + slope * (1.0 - ridge * ridge))
        ridge = tanh(alpha + self.b)
        return y - ridge.reshape(-1, 1) * u, -self._log_det(ridge, u)

    def _log_det(self, ridge: Tensor, u: Tensor) -> Tensor:
        return log(1.0 + (1.0 - ridge * ridge) * (self.w * u).sum())  # positive under the constraint

    def _root(self, target: Tensor, slope: Tensor) -> Tensor:
        """alpha with alpha + slope tanh(alpha + b) = target, by bisection: it is within |slope| of target."""
        goal, s, b = np.asarray(target), float(slope), float(self.b)
        low, high = goal - abs(s), goal + abs(s)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            below = middle + s * np.tanh(middle + b) < goal
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return Tensor((0.5 * (low + high)).astype(target.dtype)).to(target.device)
