"""Activation normalisation: a scale and a shift per channel, started from data (Kingma and Dhariwal 2018, section 3.1).

The first batch in training mode sets them so that it leaves with mean 0 and variance 1 in every channel; from then on
they are ordinary parameters, and log|det dy/dx| = H W sum log|scale|.
Held by tinygen.checks.flow (33).
"""

import numpy as np

from tinygen.flow.affine import Affine
from tinygen.kernels.capture import capturing
from tinygen.parallel import gathered
from tinygen.tensor import Tensor

EPS = 1e-6
"""Added to the standard deviation of the first batch: a channel that is constant there is not blown up beyond 1e6."""


class ActNorm(Affine):
    """`Affine` with a scale and a shift per channel (axis 1), which the first batch sets.

    Args:
        channels: of the examples, (C,) or (C, H, W).
        spatial: how many axes come after the channels: 0 for points, 2 for images.
    """

    def __init__(self, channels: int, spatial: int = 0):
        super().__init__((channels, *(1,) * spatial))
        self.register_buffer("started", Tensor(np.zeros(1, np.float32)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and not capturing() and not float(self.started):  # captured is never the first batch
            self._start(gathered(x.detach()))
        return super().forward(x)

    def _start(self, x: Tensor) -> None:
        shared = (0, *range(2, x.ndim))
        mean, std = x.mean(shared), x.std(shared)
        log_scale = -(std + EPS).log().reshape(self.shift.shape)
        self.log_scale._assign(log_scale._data)
        self.shift._assign((-mean.reshape(self.shift.shape) * log_scale.exp())._data)
        self.started._assign(1.0)
