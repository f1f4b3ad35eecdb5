"""A small convolutional encoder and its mirror image, the decoder; no normalisation, no loss.

Both halve or double the size for as long as it stays even and at least 4, at most three times; the width doubles as
the size halves. Held by tests/nets/test_encoders.py.
"""

from itertools import pairwise
from math import prod

from tinygen import nn
from tinygen.nets.classes import with_planes
from tinygen.ops.elementwise import silu
from tinygen.ops.joining import concat
from tinygen.random import Generator
from tinygen.tensor import Tensor


def resolutions(height: int, width: int, most: int = 3, least: int = 4) -> list[tuple[int, int]]:
    """The sizes on the way down, the image's own first: 28 x 28, 14 x 14, 7 x 7; at most `most` halvings to `least`."""
    sizes = [(height, width)]
    while len(sizes) <= most and all(n % 2 == 0 and n >= 2 * least for n in sizes[-1]):
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


class ConvEncoder(nn.Module):
    """Images (N, C, H, W) to vectors (N, outputs): convolutions of stride 2, then one linear layer.

    Args:
        shape: (C, H, W).
        outputs: entries of a vector.
        channels: width at the finest resolution.
        cond: entries of a condition, which enters as planes of constant value beside the image; 0 for none.
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, channels: int = 32, cond: int = 0, *, rng: Generator):
        super().__init__()
        sizes = resolutions(*shape[1:])
        self.inward = nn.Conv2d(shape[0] + cond, channels, 3, padding=1, rng=rng)
        widths = [channels * 2**level for level in range(len(sizes))]
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1, rng=rng) for a, b in pairwise(widths))
        self.outward = nn.Linear(widths[-1] * prod(sizes[-1]), outputs, rng=rng)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """(N, outputs) for x (N, C, H, W) and, where the network was made for one, cond (N, entries)."""
        if cond is not None:
            x = with_planes(x, cond)
        h = silu(self.inward(x))
        for layer in self.down:
            h = silu(layer(h))
        return self.outward(h.reshape(x.shape[0], -1))


class ConvDecoder(nn.Module):
    """Vectors (N, inputs) to images (N, C, H, W): one linear layer, then nearest-neighbour doubling and convolutions.

    Args:
        inputs: entries of a vector.
        shape: (C, H, W).
        channels: width at the finest resolution.
        cond: entries of a condition that stands beside the vector; 0 for none.
    """

    def __init__(self, inputs: int, shape: tuple[int, ...], channels: int = 32, cond: int = 0, *, rng: Generator):
        super().__init__()
        sizes = resolutions(*shape[1:])
        widths = [channels * 2**level for level in reversed(range(len(sizes)))]
        self.start = (widths[0], *sizes[-1])
        self.inward = nn.Linear(inputs + cond, prod(self.start), rng=rng)
        self.up = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, rng=rng) for a, b in pairwise(widths))
        self.outward = nn.Conv2d(channels, shape[0], 3, padding=1, rng=rng)

    def forward(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """(N, C, H, W) for z (N, inputs) and, where the network was made for one, cond (N, entries)."""
        if cond is not None:
            z = concat([z, cond], axis=1)
        h = silu(self.inward(z)).reshape(z.shape[0], *self.start)
        for layer in self.up:
            h = silu(layer(h, doubled=True))
        return self.outward(h)
