"""The autoencoder of the VQ-VAE in PyTorch, its codebook following moving averages: tinygen/vq/."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CODES, WIDTH, HIDDEN, BETA, DECAY = 64, 16, 64, 0.25, 0.99


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=1)
        self.narrow = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.relu(self.wide(F.relu(x))))


class Encoder(nn.Module):
    """Images (N, 1, 28, 28) to grids of vectors (N, 16, 7, 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Conv2d(1, HIDDEN, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(HIDDEN, HIDDEN, 4, stride=2, padding=1) for _ in range(2))
        self.blocks = nn.ModuleList(ResidualBlock(HIDDEN) for _ in range(2))
        self.outward = nn.Conv2d(HIDDEN, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inward(x)
        for layer in self.down:
            h = layer(F.relu(h))
        for block in self.blocks:
            h = block(h)
        return self.outward(F.relu(h))


class Decoder(nn.Module):
    """Grids of codes (N, 16, 7, 7) to images (N, 1, 28, 28)."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Conv2d(WIDTH, HIDDEN, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(HIDDEN) for _ in range(2))
        self.up = nn.ModuleList(nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1) for _ in range(2))
        self.outward = nn.Conv2d(HIDDEN, 1, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.inward(z)
        for block in self.blocks:
            h = block(h)
        for layer in self.up:
            h = layer(F.interpolate(F.relu(h), scale_factor=2, mode="nearest"))
        return self.outward(F.relu(h))


class Quantiser(nn.Module):
    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(CODES, WIDTH))
        self.register_buffer("counts", torch.ones(CODES))
        self.register_buffer("sums", self.codebook.clone())
        self.register_buffer("started", torch.zeros(()))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The nearest codes with the gradient of the identity, their indices (M,), and the commitment loss."""
        rows = z.detach().permute(0, 2, 3, 1).reshape(-1, WIDTH)
        indices = (rows @ self.codebook.T - 0.5 * (self.codebook**2).sum(1)).argmax(1)
        n, _, height, width = z.shape
        e = self.codebook[indices].reshape(n, height, width, WIDTH).permute(0, 3, 1, 2)
        return z + (e - z).detach(), indices, ((z - e) ** 2).sum() / n

    @torch.no_grad()
    def follow(self, z: Tensor, indices: Tensor) -> None:
        rows = z.permute(0, 2, 3, 1).reshape(-1, WIDTH)
        counts = torch.bincount(indices, minlength=CODES).to(rows.dtype)
        self.counts.mul_(DECAY).add_(counts, alpha=1 - DECAY)
        self.sums.mul_(DECAY).add_(torch.zeros_like(self.sums).index_add_(0, indices, rows), alpha=1 - DECAY)
        used = (self.counts > 0)[:, None]
        means = self.sums / torch.where(self.counts > 0, self.counts, 1.0)[:, None]
        self.codebook.copy_(torch.where(used, means, self.codebook))


class QuantisedAutoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.quantiser, self.decoder = Encoder(), Quantiser(), Decoder()
        self.seen: tuple[Tensor, Tensor] | None = None

    def loss(self, batch: dict[str, Tensor], noise: dict[str, Tensor]) -> Tensor:
        x = batch["x"]
        z = self.encoder(x)
        quantised, indices, commitment = self.quantiser(z)
        self.seen = (z.detach(), indices)
        return ((x - self.decoder(quantised)) ** 2).sum() / len(x) + BETA * commitment

    def after_step(self) -> None:
        assert self.seen is not None
        self.quantiser.follow(*self.seen)
