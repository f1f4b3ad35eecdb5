"""DDPM with its U-Net in PyTorch: tinygen/diffusion/ddpm.py and tinygen/nets/unet.py."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(width // 2, device=t.device) / max(width // 2 - 1, 1))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


class DDPM(nn.Module):
    of_data: Tensor
    of_noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.net = UNet(32, (1, 2, 4))
        f = torch.cos((torch.arange(1001, dtype=torch.float64) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
        beta = torch.clamp(1 - f[1:] / f[:-1], max=0.999)
        alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)])
        self.register_buffer("of_data", alpha_bar.sqrt().float(), persistent=False)
        self.register_buffer("of_noise", (1 - alpha_bar).sqrt().float(), persistent=False)

    def loss(self, batch: dict[str, Tensor], noise: dict[str, Tensor]) -> Tensor:
        t, e = noise["t"], noise["noise"]
        x_t = self.of_data[t][:, None, None, None] * batch["x"] + self.of_noise[t][:, None, None, None] * e
        return F.mse_loss(self.net(x_t, t), e)

    @torch.no_grad()
    def sample(self, noise: dict[str, Tensor]) -> Tensor:
        """DDIM without noise in ten steps (Song et al. 2021, eq. 12), x_0 clipped to [-1, 1]."""
        x = noise["x_T"]
        for t in range(950, 0, -100):
            before = max(t - 100, 0)
            predicted = self.net(x, torch.full((len(x),), t, device=x.device))
            x_0 = ((x - self.of_noise[t] * predicted) / self.of_data[t]).clamp(-1, 1)
            predicted = (x - self.of_data[t] * x_0) / self.of_noise[t]
            x = self.of_data[before] * x_0 + self.of_noise[before] * predicted
        return x
