"""Shift and stretch of every entry: y = exp(s) x + t. The last layer of NICE (Dinh et al. 2014, section 3.3).

log|det dy/dx| = the sum of s over the entries of an example. Held by tinygen.checks.flow (33).
"""

import math

from tinygen import nn
from tinygen.flow.contract import Flow, no_change
from tinygen.ops.creation import zeros
from tinygen.ops.elementwise import exp
from tinygen.tensor import Tensor


class Affine(Flow):
    """y = exp(log_scale) x + shift; starts as the identity.

    Args:
        shape: of both parameters; broadcasts against an example, (C, 1, 1) for one of each per channel of an image.
    """

    def __init__(self, shape: tuple[int, ...]):
        self.log_scale = nn.Parameter(zeros(*shape))
        self.shift = nn.Parameter(zeros(*shape))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return exp(self.log_scale) * x + self.shift, self._log_det(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return (y - self.shift) * exp(-self.log_scale), -self._log_det(y)

    def _log_det(self, x: Tensor) -> Tensor:
        shared = math.prod(x.shape[1:]) // self.log_scale.size  # entries of an example that share a scale
        return no_change(x) + shared * self.log_scale.sum()
