"""The multi-scale architecture: half of the channels leave after each scale (Dinh et al. 2017, eqs. 14 to 16).

What leaves early is modelled at that scale; the rest goes on. All of it, flattened, is z, in the order it left:

    (z_1, h_1) = f_1(x), (z_2, h_2) = f_2(h_1), ..., z_L = f_L(h_{L-1})

The log-determinants add up, since what has left is carried along unchanged.
Held by tinygen.checks.flow (33).
"""

import math
from collections.abc import Sequence

from tinygen import nn
from tinygen.flow.contract import Flow, no_change
from tinygen.ops.joining import concat
from tinygen.tensor import Tensor


class MultiScale(Flow):
    """Scales one after the other on what is left: (N, *shape) to (N, D), D the number of entries.

    Args:
        scales: one flow for each scale; after each but the last the second half of the channels leaves.
        shape: of an example, channels first.

    Raises:
        ValueError: an odd number of channels where half of them should leave.
    """

    def __init__(self, scales: Sequence[Flow], shape: tuple[int, ...]):
        self.scales = nn.ModuleList(scales)
        self.shape = shape
        self.kept: list[tuple[int, ...]] = []  # the shape that goes on after each scale but the last
        for scale in scales[:-1]:
            channels, *rest = scale.output_shape(shape)
            if channels % 2:
                raise ValueError(f"MultiScale: {channels} channels cannot be halved; squeeze first")
            shape = (channels // 2, *rest)
            self.kept.append(shape)
        self.last = scales[-1].output_shape(shape)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total, left = no_change(x), []
        for i, scale in enumerate(self.scales):
            x, log_det = scale(x)
            total = total + log_det
            if i < len(self.kept):
                half = self.kept[i][0]
                left.append(x[:, half:].reshape(x.shape[0], -1))
                x = x[:, :half]
        return concat([*left, x.reshape(x.shape[0], -1)], axis=1), total

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        n, total, end = y.shape[0], no_change(y), y.shape[1]
        x = y[:, end - math.prod(self.last) :].reshape(n, *self.last)
        end -= math.prod(self.last)
        for i, scale in reversed(list(enumerate(self.scales))):
            if i < len(self.kept):
                size = math.prod(self.kept[i])
                x = concat([x, y[:, end - size : end].reshape(n, *self.kept[i])], axis=1)
                end -= size
            x, log_det = scale.inverse(x)  # type: ignore[attr-defined]
            total = total + log_det
        return x, total

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(shape),)
