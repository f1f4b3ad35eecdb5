"""Multilayer perceptrons: a plain one, and one that also reads a time, the denoiser for points in the plane.

Held by tests/nets/test_encoders.py and tests/nets/test_unet.py.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from tinygen import nn
from tinygen.nets.embedding import sinusoidal
from tinygen.ops.elementwise import silu
from tinygen.ops.joining import concat
from tinygen.random import Generator
from tinygen.tensor import Tensor


class MLP(nn.Module):
    """Linear layers with SiLU between them, from examples of any shape to examples of any shape.

    Args:
        inputs: shape of an example, which is flattened.
        outputs: shape of what comes out.
        hidden: widths of the layers between; none makes an affine map.
        cond: entries of a condition that stands beside the input; 0 for none.
    """

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        hidden: Sequence[int] = (256, 256),
        cond: int = 0,
        *,
        rng: Generator,
    ):
        super().__init__()
        self.outputs = outputs
        widths = [prod(inputs) + cond, *hidden, prod(outputs)]
        self.layers = nn.ModuleList(nn.Linear(a, b, rng=rng) for a, b in pairwise(widths))

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """(N, *outputs) for x (N, *inputs) and, where the network was made for one, cond (N, entries)."""
        h = x if x.ndim == 2 else x.reshape(x.shape[0], -1)
        if cond is not None:
            h = concat([h, cond], axis=1)
        *between, last = self.layers
        for layer in between:
            h = silu(layer(h))
        y = last(h)
        return y if len(self.outputs) == 1 else y.reshape(x.shape[0], *self.outputs)


class TimeMLP(nn.Module):
    """Linear layers with SiLU; the time's embedding is added after the first.

    Args:
        size: entries of an example; inputs (N, ...) with that many are flattened and given back in their shape.
        hidden: widths of the layers between.
    """

    def __init__(self, size: int, hidden: Sequence[int] = (128, 128, 128), *, rng: Generator):
        super().__init__()
        self.width = hidden[0]
        self.inward = nn.Linear(size, hidden[0], rng=rng)
        self.time = nn.Linear(hidden[0], hidden[0], rng=rng)
        self.between = nn.ModuleList(nn.Linear(a, b, rng=rng) for a, b in pairwise(hidden))
        self.outward = nn.Linear(hidden[-1], size, rng=rng)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The output for x (N, ...) at times t (N,), of x's shape."""
        h = silu(self.inward(x.reshape(x.shape[0], -1)) + self.time(sinusoidal(t, self.width, x.dtype)))
        for layer in self.between:
            h = silu(layer(h))
        return self.outward(h).reshape(x.shape)
