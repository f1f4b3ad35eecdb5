"""The two players' networks: perceptrons, and the convolutions of Radford, Metz and Chintala 2016 (DCGAN), section 3.

Kernels of 4 x 4 with stride 2 and no pooling, ReLU in the generator, leaky ReLU of slope 0.2 in the discriminator,
batch normalisation everywhere but at the generator's output and the discriminator's input, weights from N(0, 0.02^2).
The paper's networks go down to 4 x 4; these go on while the sides are even, to 2 x 2 at the least.
Held by tests/gan/test_networks.py.
"""

from itertools import pairwise
from math import prod
from typing import Literal

from tinygen import nn
from tinygen.nets.classes import with_planes
from tinygen.nets.convolutional import resolutions
from tinygen.nn import init
from tinygen.ops.joining import concat
from tinygen.random import Generator
from tinygen.tensor import Tensor

Normalisation = Literal["batch", "none"]


def levels(shape: tuple[int, ...], channels: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Sizes from the image's own downwards, and the width at each: the image's channels, then `channels` doubling.

    Raises:
        ValueError: sides that cannot be halved.
    """
    _, height, width = shape
    sizes = resolutions(height, width, least=2)
    if len(sizes) == 1:
        raise ValueError(f"net conv halves the sides of images, which must be even and at least 4, not {shape[1:]}")
    return sizes, [shape[0], *(channels * 2**level for level in range(len(sizes) - 1))]


class ConvGenerator(nn.Module):
    """Latents (N, latent) to images (N, C, H, W) before their tanh.

    Args:
        shape: (C, H, W).
        channels: width at half the image's size; it doubles as the size halves.
        cond: entries of a condition that stands beside the latent; 0 for none.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], channels: int = 64, cond: int = 0, *, rng: Generator):
        super().__init__()
        sizes, widths = levels(shape, channels)
        self.start = (widths[-1], *sizes[-1])
        self.inward = nn.Linear(latent + cond, prod(self.start), rng=rng)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[:0:-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, rng=rng) for a, b in pairwise(widths[::-1]))
        radford_(self, rng)

    def forward(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """(N, C, H, W) for z (N, latent) and, where the network was made for one, cond (N, entries)."""
        if cond is not None:
            z = concat([z, cond], axis=1)
        h = self.inward(z).reshape(len(z), *self.start)
        for norm, layer in zip(self.norms, self.up):
            h = layer(norm(h, negative_slope=0.0))
        return h


class ConvDiscriminator(nn.Module):
    """Images (N, C, H, W) to logits (N, 1).

    Args:
        shape, channels: as `ConvGenerator`.
        cond: entries of a condition, which enters as planes of constant value beside the image; 0 for none.
        normalisation: "batch", or "none" where examples must not see each other (a gradient penalty).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: int = 64,
        cond: int = 0,
        normalisation: Normalisation = "batch",
        *,
        rng: Generator,
    ):
        super().__init__()
        sizes, widths = levels((shape[0] + cond, *shape[1:]), channels)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, rng=rng) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) if normalisation == "batch" else nn.Identity() for w in widths[2:])
        self.outward = nn.Linear(widths[-1] * prod(sizes[-1]), 1, rng=rng)
        radford_(self, rng)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """(N, 1) for x (N, C, H, W) and, where the network was made for one, cond (N, entries)."""
        if cond is not None:
            x = with_planes(x, cond)
        first, *others = self.down
        h = first(x, negative_slope=0.2)
        for norm, layer in zip(self.norms, others):
            h = layer(h, negative_slope=0.2) if isinstance(norm, nn.Identity) else norm(layer(h), negative_slope=0.2)
        return self.outward(h.reshape(len(x), -1))


WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def radford_(net: nn.Module, rng: Generator) -> None:
    """Weights of linear layers and convolutions from N(0, 0.02^2), their biases 0, in place."""
    for module in net.modules():
        if isinstance(module, WEIGHTED):
            init.normal_(module.weight, std=0.02, rng=rng)
            if module.bias is not None:
                init.zeros_(module.bias)


def normalise_spectra(net: nn.Module, rng: Generator) -> None:
    """Spectral normalisation of every weight of `net`, in place (Miyato et al. 2018)."""
    for module in list(net.modules()):
        if isinstance(module, WEIGHTED):
            nn.spectral_norm(module, rng=rng)
