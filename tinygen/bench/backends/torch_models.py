"""The models of `steps.py` in PyTorch: the same networks under the same parameter names, written as one would there.

Each is a module with `loss(batch, noise) -> scalar`, both dictionaries of tensors. Their weights are this engine's,
loaded by name, and their losses and gradients are compared with its own before they are timed.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinygen.bench.steps import SHAPE


class NormSiLU(nn.GroupNorm):
    """Group normalisation, then SiLU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(super().forward(x))


class ResidualBlock(nn.Module):
    def __init__(self, inward: int, outward: int, time_width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = NormSiLU(groups, inward)
        self.conv1 = nn.Conv2d(inward, outward, 3, padding=1)
        self.time = nn.Linear(time_width, outward)
        self.norm2 = NormSiLU(groups, outward)
        self.conv2 = nn.Conv2d(outward, outward, 3, padding=1)
        self.skip = nn.Identity() if inward == outward else nn.Conv2d(inward, outward, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(self.norm1(x)) + self.time(time)[:, :, None, None]
        return self.skip(x) + self.conv2(self.norm2(h))


class SelfAttention(nn.Module):
    def __init__(self, channels: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, height * width)
        q, k, v = (qkv[:, i].transpose(-1, -2) for i in range(3))
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(-1, -2).reshape(n, c, height, width))


class UNet(nn.Module):
    def __init__(self, channels: int, multipliers: tuple[int, ...], heads: int = 4, groups: int = 8) -> None:
        super().__init__()
        widths = [channels * m for m in multipliers]
        self.channels, time_width = channels, 4 * channels
        self.time1, self.time2 = nn.Linear(channels, time_width), nn.Linear(time_width, time_width)
        self.inward = nn.Conv2d(1, channels, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        left, width = [channels], channels
        for level, wide in enumerate(widths):
            self.down.append(ResidualBlock(width, wide, time_width, groups))
            width = wide
            left.append(width)
            if level < len(widths) - 1:
                self.down.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
                left.append(width)
        self.middle1 = ResidualBlock(width, width, time_width, groups)
        self.attention = SelfAttention(width, heads, groups)
        self.middle2 = ResidualBlock(width, width, time_width, groups)
        for level, wide in reversed(list(enumerate(widths))):
            for _ in range(2):
                self.up.append(ResidualBlock(width + left.pop(), wide, time_width, groups))
                width = wide
            if level:
                self.up.append(nn.Conv2d(width, width, 3, padding=1))
        self.norm = NormSiLU(groups, width)
        self.outward = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = F.silu(self.time2(F.silu(self.time1(sinusoidal(t, self.channels)))))
        h = self.inward(x)
        left = [h]
        for layer in self.down:
            h = layer(h, time) if isinstance(layer, ResidualBlock) else layer(h)
            left.append(h)
        h = self.middle2(self.attention(self.middle1(h, time)), time)
        for layer in self.up:
            if isinstance(layer, ResidualBlock):
                h = layer(torch.cat([h, left.pop()], 1), time)
            else:
                h = layer(F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.outward(self.norm(h))


def sinusoidal(t: Tensor, width: int) -> Tensor:
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(width // 2) / max(width // 2 - 1, 1))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


class DDPM(nn.Module):
    of_data: Tensor
    of_noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.net = UNet(32, (1, 2, 2))
        f = torch.cos((torch.arange(1001, dtype=torch.float64) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
        beta = torch.clamp(1 - f[1:] / f[:-1], max=0.999)
        alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])
        self.register_buffer("of_data", alpha_bar.sqrt().float(), persistent=False)
        self.register_buffer("of_noise", (1 - alpha_bar).sqrt().float(), persistent=False)

    def loss(self, batch: dict[str, Tensor], noise: dict[str, Tensor]) -> Tensor:
        t, e = noise["t"], noise["noise"]
        x_t = self.of_data[t][:, None, None, None] * batch["x"] + self.of_noise[t][:, None, None, None] * e
        return F.mse_loss(self.net(x_t, t), e)


class MLP(nn.Module):
    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        *between, last = self.layers
        for layer in between:
            x = F.silu(layer(x))
        return last(x)


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = MLP(784, 512, 256, 32), MLP(16, 256, 512, 784)

    def loss(self, batch: dict[str, Tensor], noise: dict[str, Tensor]) -> Tensor:
        x = (batch["x"] > 0).float().flatten(1)
        mean, log_scale = self.encoder(2 * x - 1).chunk(2, 1)
        scale = log_scale.exp()
        logits = self.decoder(mean + scale * noise["noise"])
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = 0.5 * (mean**2 + scale**2 - 1 - 2 * log_scale).sum()
        return (reconstruction + kl) / len(x)


class CouplingConvolutions(nn.Module):
    def __init__(self, inward: int, outward: int, hidden: int = 64) -> None:
        super().__init__()
        self.inward = nn.Conv2d(inward, hidden, 3, padding=1)
        self.wide = nn.ModuleList([nn.Conv2d(hidden, hidden, 3, padding=1)])
        self.narrow = nn.ModuleList([nn.Conv2d(hidden, hidden, 1)])
        self.outward = nn.Conv2d(hidden, outward, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inward(x)
        for wide, narrow in zip(self.wide, self.narrow):
            h = h + narrow(F.relu(wide(F.relu(h))))
        return self.outward(F.relu(h))


class ActNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("started", torch.zeros(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = self.log_scale.sum() * x[0, 0].numel()
        return x * self.log_scale.exp() + self.shift, log_det.expand(len(x))


class Coupling(nn.Module):
    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)
        self.net = CouplingConvolutions(len(mask), 2 * len(mask))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(self.mask * x).chunk(2, 1)
        s, t = (1 - self.mask) * 2 * torch.tanh(0.5 * s), (1 - self.mask) * t
        return x * s.exp() + t, s.flatten(1).sum(1)


class Squeeze(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))


class Composed(nn.Module):
    def __init__(self, *flows: nn.Module) -> None:
        super().__init__()
        self.flows = nn.ModuleList(flows)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for flow in self.flows:
            x, log_det = flow(x)
            total = total + log_det
        return x, total


class Logit(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p = 0.05 + 0.9 * x
        a, b = torch.log(p), torch.log1p(-p)
        return a - b, (math.log(0.9) - a - b).flatten(1).sum(1)


class MultiScale(nn.Module):
    def __init__(self, *scales: nn.Module) -> None:
        super().__init__()
        self.scales = nn.ModuleList(scales)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total, left = x.new_zeros(len(x)), []
        for i, scale in enumerate(self.scales):
            x, log_det = scale(x)
            total = total + log_det
            if i < len(self.scales) - 1:
                x, out = x.chunk(2, 1)
                left.append(out.flatten(1))
        return torch.cat([*left, x.flatten(1)], 1), total


class RealNVP(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        def couplings(*masks: Tensor) -> list[nn.Module]:
            return [flow for mask in masks for flow in (ActNorm(len(mask)), Coupling(mask))]

        def checkerboard(channels: int, side: int, parity: int) -> Tensor:
            i = torch.arange(side)
            return (((i[:, None] + i + parity) % 2) == 0).float().expand(channels, side, side)

        def half(channels: int, side: int, parity: int) -> Tensor:
            first = (torch.arange(channels) < channels // 2) != bool(parity)
            return first.float()[:, None, None].expand(channels, side, side)

        first = [
            *couplings(*(checkerboard(1, 28, i % 2) for i in range(3))),
            Squeeze(),
            *couplings(*(half(4, 14, i % 2) for i in range(3))),
        ]
        last = couplings(*(checkerboard(2, 14, i % 2) for i in range(4)))
        self.flow = Composed(Logit(), MultiScale(Composed(*first), Composed(*last)))

    def loss(self, batch: dict[str, Tensor], noise: dict[str, Tensor]) -> Tensor:
        k = torch.round((batch["x"].double() + 1) * 127.5)
        z, log_det = self.flow(((k + noise["noise"]) / 256).float())
        log_p = -0.5 * (z**2 + math.log(2 * math.pi)).sum(1) + log_det
        return (-log_p / (math.prod(SHAPE) * math.log(2)) + 8).mean()


MODELS: dict[str, Any] = {"DDPM": DDPM, "VAE": VAE, "RealNVP": RealNVP}
