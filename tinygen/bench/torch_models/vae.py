"""The VAE of perceptrons in PyTorch: tinygen/vae/vae.py."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    @torch.no_grad()
    def sample(self, noise: dict[str, Tensor]) -> Tensor:
        """E[x | z] for z of the prior, in [-1, 1]."""
        return 2 * torch.sigmoid(self.decoder(noise["z"])).reshape(-1, 1, 28, 28) - 1
