"""A multilayer perceptron that also reads a time: the denoiser for points in the plane."""

from collections.abc import Sequence
from itertools import pairwise

from tinygen import nn
from tinygen.nets.embedding import sinusoidal
from tinygen.ops.elementwise import silu
from tinygen.random import Generator
from tinygen.tensor import Tensor


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
