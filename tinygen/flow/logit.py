"""Intensities in [0, 1] onto the line: y = logit(p), p = a + (1 - 2a) x (Dinh et al. 2017, section 4.1).

The margin a keeps the ends finite. log|det dy/dx| = sum log(1 - 2a) - log p - log(1 - p).
Held by tinygen.checks.flow (33).
"""

import math

from tinygen.flow.contract import Flow, per_example
from tinygen.ops.elementwise import log, log1p, sigmoid, softplus
from tinygen.tensor import Tensor


class Logit(Flow):
    """y = logit(margin + (1 - 2 margin) x), entry by entry; x in [0, 1], in the open interval if margin is 0.

    Raises:
        ValueError: a margin outside [0, 1/2).
    """

    def __init__(self, margin: float = 0.05):
        if not 0.0 <= margin < 0.5:
            raise ValueError(f"Logit: margin is at least 0 and less than 0.5, not {margin}")
        self.margin = margin

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p = self.margin + (1.0 - 2.0 * self.margin) * x
        log_p, log_q = log(p), log1p(-p)
        return log_p - log_q, per_example(math.log1p(-2.0 * self.margin) - log_p - log_q)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x = (sigmoid(y) - self.margin) / (1.0 - 2.0 * self.margin)
        return x, per_example(-math.log1p(-2.0 * self.margin) - softplus(y) - softplus(-y))
