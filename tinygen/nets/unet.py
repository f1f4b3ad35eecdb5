"""The U-Net of diffusion models (Ronneberger et al. 2015; Ho et al. 2020, appendix B).

Residual blocks with group normalisation and SiLU go down through the resolutions and up again; each block on the way
up also sees what the way down left at its resolution; the time enters every block; self-attention runs at the coarsest
resolution. The last convolution of every block and of the network starts at 0, so the network starts as its skip path.
Held by tests/nets/test_unet.py: shapes, equivariance under shifts by the total stride, dependence on every input.
"""

from collections.abc import Sequence

from tinygen import nn
from tinygen.nets.embedding import sinusoidal
from tinygen.nn import functional as F
from tinygen.ops.elementwise import silu
from tinygen.ops.joining import concat
from tinygen.random import Generator
from tinygen.tensor import Tensor


def zeroed(layer: nn.Module) -> nn.Module:
    """`layer` with all its parameters at 0."""
    for parameter in layer.parameters():
        parameter.data = parameter * 0.0
    return layer


class ResidualBlock(nn.Module):
    """x + conv(norm(conv(norm(x)) + time)): (N, inward, H, W) to (N, outward, H, W)."""

    def __init__(self, inward: int, outward: int, time_width: int, groups: int, *, rng: Generator):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inward, silu=True)
        self.conv1 = nn.Conv2d(inward, outward, 3, padding=1, rng=rng)
        self.time = nn.Linear(time_width, outward, rng=rng)
        self.norm2 = nn.GroupNorm(groups, outward, silu=True)
        self.conv2 = zeroed(nn.Conv2d(outward, outward, 3, padding=1, rng=rng))
        self.skip = nn.Identity() if inward == outward else nn.Conv2d(inward, outward, 1, rng=rng)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(self.norm1(x), shift=self.time(time))
        return self.skip(x) + self.conv2(self.norm2(h))


class SelfAttention(nn.Module):
    """Every place attends to every place of the image: (N, C, H, W) to the same shape."""

    def __init__(self, channels: int, heads: int, groups: int, *, rng: Generator):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, rng=rng)
        self.out = zeroed(nn.Conv2d(channels, channels, 1, rng=rng))

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        places = self.qkv(self.norm(x)).permute(0, 2, 3, 1)  # channels last, as they lie in memory
        qkv = places.reshape(n, height * width, 3, self.heads, c // self.heads)
        q, k, v = (qkv[:, :, i].permute(0, 2, 1, 3) for i in range(3))
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.permute(0, 2, 1, 3).reshape(n, height, width, c).permute(0, 3, 1, 2))


class UNet(nn.Module):
    """Images (N, in_channels, H, W) and times (N,) to images of `out_channels` and the same size.

    Args:
        channels: width at the finest resolution.
        multipliers: width at each resolution in units of `channels`; each but the last is halved on the way down.
        blocks: residual blocks at each resolution on the way down (one more on the way up).
        heads: of the attention at the coarsest resolution; 0 for none.
        groups: of the group normalisations; divides every width.

    Raises:
        ValueError: groups or heads that do not divide the widths.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: int = 32,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 1,
        heads: int = 4,
        groups: int = 8,
        *,
        rng: Generator,
    ):
        super().__init__()
        widths = [channels * m for m in multipliers]
        for width in widths:
            if width % groups or (heads and width % heads):
                raise ValueError(f"a width of {width} channels is not divisible by groups={groups} and heads={heads}")
        self.stride = 2 ** (len(widths) - 1)
        self.channels = channels
        time_width = 4 * channels
        self.time1 = nn.Linear(channels, time_width, rng=rng)
        self.time2 = nn.Linear(time_width, time_width, rng=rng)
        self.inward = nn.Conv2d(in_channels, channels, 3, padding=1, rng=rng)

        self.down = nn.ModuleList()
        left = [channels]  # widths of what the way down leaves, the last on top
        width = channels
        for level, wide in enumerate(widths):
            for _ in range(blocks):
                self.down.append(ResidualBlock(width, wide, time_width, groups, rng=rng))
                width = wide
                left.append(width)
            if level < len(widths) - 1:
                self.down.append(nn.Conv2d(width, width, 3, stride=2, padding=1, rng=rng))
                left.append(width)

        self.middle1 = ResidualBlock(width, width, time_width, groups, rng=rng)
        self.attention = SelfAttention(width, heads, groups, rng=rng) if heads else nn.Identity()
        self.middle2 = ResidualBlock(width, width, time_width, groups, rng=rng)

        self.up = nn.ModuleList()
        for level, wide in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(ResidualBlock(width + left.pop(), wide, time_width, groups, rng=rng))
                width = wide
            if level:
                self.up.append(nn.Conv2d(width, width, 3, padding=1, rng=rng))
        self.norm = nn.GroupNorm(groups, width, silu=True)
        self.outward = zeroed(nn.Conv2d(width, out_channels, 3, padding=1, rng=rng))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[2] % self.stride or x.shape[3] % self.stride:
            raise ValueError(
                f"UNet: images (N, C, H, W) with H and W divisible by {self.stride} are needed, found {x.shape}"
            )
        time = silu(self.time2(silu(self.time1(sinusoidal(t, self.channels, x.dtype)))))
        h = self.inward(x)
        left = [h]
        for layer in self.down:
            h = layer(h, time) if isinstance(layer, ResidualBlock) else layer(h)
            left.append(h)
        h = self.middle2(self.attention(self.middle1(h, time)), time)
        for layer in self.up:
            if isinstance(layer, ResidualBlock):
                h = layer(concat([h, left.pop()], axis=1), time)
            else:
                h = layer(h, doubled=True)
        return self.outward(self.norm(h))
