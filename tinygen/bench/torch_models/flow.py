"""RealNVP in PyTorch, both ways: tinygen/flow/realnvp.py."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    def inverse(self, y: Tensor) -> Tensor:
        return (y - self.shift) * (-self.log_scale).exp()


class Coupling(nn.Module):
    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)
        self.net = CouplingConvolutions(len(mask), 2 * len(mask))

    def moves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(self.mask * x).chunk(2, 1)
        return (1 - self.mask) * 2 * torch.tanh(0.5 * s), (1 - self.mask) * t

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.moves(x)
        return x * s.exp() + t, s.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        s, t = self.moves(y)
        return (y - t) * (-s).exp()


def inverse(flow: Any, y: Tensor) -> Tensor:
    """The example that `flow` takes to y."""
    return flow.inverse(y)


class Squeeze(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return F.pixel_shuffle(y, 2)


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

    def inverse(self, y: Tensor) -> Tensor:
        for flow in reversed(self.flows):
            y = inverse(flow, y)
        return y


class Logit(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p = 0.05 + 0.9 * x
        a, b = torch.log(p), torch.log1p(-p)
        return a - b, (math.log(0.9) - a - b).flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        return (torch.sigmoid(y) - 0.05) / 0.9


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

    def inverse(self, y: Tensor) -> Tensor:
        out, last = y.reshape(-1, 4, 14, 14).chunk(2, 1)  # two scales: half of four channels left after the first
        x = torch.cat([inverse(self.scales[1], last), out], 1)
        return inverse(self.scales[0], x)


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
        return (-log_p / (784 * math.log(2)) + 8).mean()

    @torch.no_grad()
    def sample(self, noise: dict[str, Tensor]) -> Tensor:
        """Images in [-1, 1] of z from the base law, of 256 levels."""
        x = self.flow.inverse(noise["z"])
        return torch.floor(256 * x).clamp(0, 255) * (2 / 255) - 1
