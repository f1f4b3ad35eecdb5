"""Images to grids of vectors and back: convolutions of stride 2 and residual blocks, and the mirror image.

As in van den Oord et al. 2017, section 4.1: halving convolutions, then two residual blocks (ReLU, 3 x 3, ReLU, 1 x 1).
On the way up, nearest-neighbour doubling and a convolution stand for the transposed one (Odena et al. 2016).
"""

from tinygen import nn
from tinygen.ops.elementwise import relu
from tinygen.random import Generator
from tinygen.tensor import Tensor


class ResidualBlock(nn.Module):
    """x + a function of its 3 x 3 surroundings, (N, C, H, W)."""

    def __init__(self, channels: int, *, rng: Generator):
        self.wide = nn.Conv2d(channels, channels, 3, padding=1, rng=rng)
        self.narrow = nn.Conv2d(channels, channels, 1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.wide(relu(x), negative_slope=0.0))


class GridEncoder(nn.Module):
    """Images (N, C, H, W) to grids of vectors (N, width, H / 2^halvings, W / 2^halvings)."""

    def __init__(self, channels: int, width: int, hidden: int, halvings: int, *, rng: Generator):
        self.inward = nn.Conv2d(channels, hidden, 3, padding=1, rng=rng)
        self.down = nn.ModuleList(nn.Conv2d(hidden, hidden, 4, stride=2, padding=1, rng=rng) for _ in range(halvings))
        self.blocks = nn.ModuleList(ResidualBlock(hidden, rng=rng) for _ in range(2))
        self.outward = nn.Conv2d(hidden, width, 1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        *rectified, last = (self.inward, *self.down)
        for layer in rectified:
            x = layer(x, negative_slope=0.0)
        h = last(x)
        for block in self.blocks:
            h = block(h)
        return self.outward(relu(h))


class GridDecoder(nn.Module):
    """Grids of vectors (N, width, h, w) to images (N, C, 2^halvings h, 2^halvings w)."""

    def __init__(self, channels: int, width: int, hidden: int, halvings: int, *, rng: Generator):
        self.inward = nn.Conv2d(width, hidden, 3, padding=1, rng=rng)
        self.blocks = nn.ModuleList(ResidualBlock(hidden, rng=rng) for _ in range(2))
        self.up = nn.ModuleList(nn.Conv2d(hidden, hidden, 3, padding=1, rng=rng) for _ in range(halvings))
        self.outward = nn.Conv2d(hidden, channels, 3, padding=1, rng=rng)

    def forward(self, z: Tensor) -> Tensor:
        h = self.inward(z)
        for block in self.blocks:
            h = block(h)
        h = relu(h)
        for layer in self.up:
            h = layer(h, negative_slope=0.0, doubled=True)
        return self.outward(h)
