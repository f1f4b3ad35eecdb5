"""`Linear` and `Identity`. Held by tests/nn/test_init.py and tests/pytorch/."""

import math

from tinygen.nn import functional as F
from tinygen.nn import init
from tinygen.nn.module import Module, options
from tinygen.nn.parameter import Parameter
from tinygen.ops.creation import empty
from tinygen.random import Generator
from tinygen.tensor import DTypeLike, Tensor


def fan_in_initialise(weight: Tensor, bias: Tensor | None, rng: Generator) -> None:
    """PyTorch's default for linear and convolutional layers: all uniform within 1 / sqrt(fan_in)."""
    init.kaiming_uniform_(weight, a=math.sqrt(5), rng=rng)
    if bias is not None:
        bound = 1.0 / math.sqrt(max(init.fans(weight.shape)[0], 1))
        init.uniform_(bias, -bound, bound, rng=rng)


class Linear(Module):
    """y = x weight^T + bias, for x (..., in_features).

    Args:
        in_features, out_features: sizes of the last axis before and after.
        bias: whether a bias is added.
        rng: where the initial weights come from; None: seeded by the operating system.
        dtype: float32 by default.

    Parameters: weight (out_features, in_features), bias (out_features,); all uniform within 1 / sqrt(in_features).
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Generator | None = None,
        dtype: DTypeLike = None,
    ):
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        self.bias = Parameter(empty(out_features, dtype=dtype)) if bias else None
        fan_in_initialise(self.weight, self.bias, init.generator(rng))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return options(in_features=self.in_features, out_features=self.out_features, bias=self.bias is not None)


class Identity(Module):
    """y = x."""

    def forward(self, x: Tensor) -> Tensor:
        return x
