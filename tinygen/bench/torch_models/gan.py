"""DCGAN in PyTorch, both players: tinygen/gan/networks.py and the non-saturating game of tinygen/gan/losses.py."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Generator(nn.Module):
    """Latents (N, 64) to images (N, 1, 28, 28) before their tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.Linear(64, 128 * 7 * 7)
        self.norms = nn.ModuleList([nn.BatchNorm2d(128), nn.BatchNorm2d(64)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.ConvTranspose2d(64, 1, 4, 2, 1)])

    def forward(self, z: Tensor) -> Tensor:
        h = self.inward(z).reshape(len(z), 128, 7, 7)
        for norm, layer in zip(self.norms, self.up):
            h = layer(F.relu(norm(h)))
        return h


class Discriminator(nn.Module):
    """Images (N, 1, 28, 28) to logits (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(1, 64, 4, 2, 1), nn.Conv2d(64, 128, 4, 2, 1)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(128)])
        self.outward = nn.Linear(128 * 7 * 7, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.down[0](x), 0.2)
        h = F.leaky_relu(self.norms[0](self.down[1](h)), 0.2)
        return self.outward(h.flatten(1))


class DCGAN(nn.Module):
    """The two, and what each descends."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = Generator(), Discriminator()

    def discriminator_loss(self, batch: dict[str, Tensor], noise: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            fake = torch.tanh(self.generator(2 * noise["latent of the discriminator"] - 1))
        real, made = self.discriminator(batch["x"]), self.discriminator(fake)
        return F.softplus(-real).mean() + F.softplus(made).mean()

    def generator_loss(self, batch: dict[str, Tensor], noise: dict[str, Tensor]) -> Tensor:
        made = torch.tanh(self.generator(2 * noise["latent of the generator"] - 1))
        return F.softplus(-self.discriminator(made)).mean()

    @torch.no_grad()
    def sample(self, noise: dict[str, Tensor]) -> Tensor:
        """Images in [-1, 1]."""
        return torch.tanh(self.generator(2 * noise["latent"] - 1))
