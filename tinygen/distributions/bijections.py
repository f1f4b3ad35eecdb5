"""Invertible maps of a real variable, entry by entry, for `Transformed`.

`forward` and `inverse` return the image and log |derivative|, as flows do; here the second has x's own shape.
"""

from typing import Protocol

from tinygen import ops
from tinygen.distributions.parameters import of_one_dtype, require
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
    """y = shift + scale x, scale not 0.

    Raises:
        ValueError: a scale of 0.
    """

    def __init__(self, shift: ArrayLike, scale: ArrayLike):
        self.shift, self.scale = of_one_dtype(shift, scale)
        require("Affine", "scale", self.scale, self.scale._data != 0, "other than 0")

    @property
    def increasing(self) -> Tensor:
        return self.scale > 0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.shift + self.scale * x
        return y, ops.broadcast_to(ops.log(ops.abs(self.scale)), y.shape)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x = (y - self.shift) / self.scale
        return x, ops.broadcast_to(-ops.log(ops.abs(self.scale)), x.shape)


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
