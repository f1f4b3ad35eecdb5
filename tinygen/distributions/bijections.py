"""Invertible maps of a real variable, entry by entry, for `Transformed`.

`forward` and `inverse` return the image and log |derivative|, as flows do; here the second has x's own shape.
"""

from typing import Any, Protocol

import numpy as np

from tinygen import ops
from tinygen.distributions.parameters import as_dtype, require
from tinygen.tensor import ArrayLike, Tensor


class Bijection(Protocol):
    """What `Transformed` asks of a map; flows satisfy it."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y and log|det dy/dx|, of x's shape when the map works entry by entry, else without the event's axes."""
        ...

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x and log|det dx/dy|."""
        ...


class Affine:
    """y = shift + scale x, scale not 0; in the dtype of x.

    Raises:
        ValueError: a scale of 0.
    """

    def __init__(self, shift: ArrayLike, scale: ArrayLike):
        self.shift, self.scale = shift, scale
        checked = as_dtype(scale, np.float64)
        require("Affine", "scale", checked, checked._data != 0, "other than 0")
        self.increasing = checked.detach() > 0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = as_dtype(self.shift, x.dtype) + as_dtype(self.scale, x.dtype) * x
        return y, ops.broadcast_to(self.log_scale(x.dtype), y.shape)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x = (y - as_dtype(self.shift, y.dtype)) / as_dtype(self.scale, y.dtype)
        return x, ops.broadcast_to(-self.log_scale(x.dtype), x.shape)

    def log_scale(self, dtype: Any) -> Tensor:
        """log|scale|."""
        return ops.log(ops.abs(as_dtype(self.scale, dtype)))


class Exp:
    """y = e^x, onto the positive numbers."""

    increasing = True
    image = (0.0, float("inf"))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return ops.exp(x), x

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x = ops.log(y)
        return x, -x


class Sigmoid:
    """y = 1 / (1 + e^-x), onto (0, 1)."""

    increasing = True
    image = (0.0, 1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return ops.sigmoid(x), -ops.softplus(x) - ops.softplus(-x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x = ops.log(y) - ops.log1p(-y)
        return x, -ops.log(y) - ops.log1p(-y)


class Tanh:
    """y = tanh x, onto (-1, 1)."""

    increasing = True
    image = (-1.0, 1.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        magnitude = ops.abs(x)  # log(1 - tanh^2) = log 4 - 2|x| - 2 log(1 + e^-2|x|)
        return ops.tanh(x), 1.3862943611198906 - 2.0 * magnitude - 2.0 * ops.softplus(-2.0 * magnitude)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return ops.atanh(y), -ops.log1p(-y) - ops.log1p(y)
