"""The adversarial models of the command line: one configuration, and the variants that differ in its defaults.

| name | what its paper asks for |
|---|---|
| gan | Goodfellow et al. 2014, non-saturating; `--loss kl` and so on: f-GAN (Nowozin et al. 2016) |
| dcgan | Radford et al. 2016: convolutions, batch normalisation, Adam 2e-4 (0.5, 0.999), uniform prior |
| cgan | Mirza and Osindero 2014: both players are told the class; DCGAN's networks |
| wgan | Arjovsky et al. 2017, algorithm 1: clipping at 0.01, 5 steps of the critic, RMSprop 5e-5 |
| wgan-gp | Gulrajani et al. 2017, algorithm 1: lambda 10, 5 steps, Adam 1e-4 (0, 0.9), a critic without batch norm |
| lsgan | Mao et al. 2017: least squares, (a, b, c) = (0, 1, 1) |
| sngan | Miyato et al. 2018: hinge loss, spectral normalisation, 5 steps, Adam 2e-4 (0, 0.9) |

Held by tests/gan/test_gan_run.py.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tinygen import nn
from tinygen.gan.latent import Prior
from tinygen.gan.learner import PlayerOptions
from tinygen.gan.losses import LOSSES, least_squares
from tinygen.gan.model import GAN, Rules
from tinygen.gan.networks import ConvDiscriminator, ConvGenerator, Normalisation, normalise_spectra
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.recipe import Recipe

LossName = Literal[
    "saturating",
    "non-saturating",
    "least-squares",
    "wasserstein",
    "hinge",
    "kl",
    "reverse-kl",
    "pearson",
    "neyman",
    "squared-hellinger",
    "jensen-shannon",
    "gan",
]


Net = Literal["auto", "mlp", "conv"]

PLANE = ("eight_gaussians", "checkerboard", "two_moons", "grid25", "ring8")
"""The data sets of points, by name: their room is above this one."""


@dataclass(frozen=True)
class GANConfig:
    """Generative adversarial network (Goodfellow et al. 2014): a generator against a discriminator, or an f-GAN."""

    loss: LossName = "non-saturating"
    """What the players minimise; those from kl on are f-GANs."""
    targets: tuple[float, float, float] = (0.0, 1.0, 1.0)
    """a, b, c of least squares: what the discriminator wants of samples and of data, and the generator of samples."""
    gradient: float = 0.0
    """Weight lambda of the gradient penalty between data and samples."""
    r1: float = 0.0
    """Weight gamma of the R1 penalty on the data."""
    clip: float = 0.0
    """Where the discriminator's weights are clipped; 0 leaves them alone."""
    spectral: bool = False
    """Spectral normalisation of the discriminator's weights."""
    critic_steps: int = 1
    """Steps of the discriminator for each of the generator; a run's steps are the discriminator's."""
    optimiser: Literal["adam", "rmsprop"] = "adam"
    """Of both players."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Of Adam."""
    latent: int = 64
    """Dimensions of the generator's input."""
    prior: Prior = "normal"
    """Its law."""
    net: Net = "auto"
    """Perceptrons, or convolutions (for images); auto: convolutions where there are images."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the perceptrons' layers, the generator's from the latent on."""
    channels: int = 64
    """Width of the convolutions at half the image's size."""
    normalisation: Normalisation = "batch"
    """Of the discriminator's convolutions; none where a penalty needs examples that do not see each other."""

    published_rate: ClassVar[float] = 2e-4

    def recipe(self, data: str) -> Recipe:
        """Digits and points in about a minute on 2 cores; larger images at the paper's learning rate."""
        if data in PLANE:
            return Recipe(5000, 256, 1e-3, ema_decay=0.995, grad_clip=0, sample_every=1250, pictures=2500)
        if data != "digits":
            return Recipe(6000, 64, self.published_rate, ema_decay=0.995, grad_clip=0, sample_every=1500)
        if self.critic_steps == 1:
            return Recipe(3000, 64, 2e-4, ema_decay=0.995, grad_clip=0, sample_every=1000)
        return Recipe(4000, 64, 5e-4, ema_decay=0.995, grad_clip=0, sample_every=1000)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> GAN:
        """The two players for images (C, H, W), or for points (D,) with perceptrons."""
        return self.players(shape, 0, rng)

    def players(self, shape: tuple[int, ...], classes: int, rng: Generator) -> GAN:
        """The model, told of `classes` classes.

        Raises:
            ValueError: options out of range, or that do not fit each other or the shape.
        """
        convolutions = self._check(shape)
        generator: nn.Module
        discriminator: nn.Module
        if convolutions:
            generator = ConvGenerator(self.latent, shape, self.channels, classes, rng=rng)
            discriminator = ConvDiscriminator(shape, self.channels, classes, self.normalisation, rng=rng)
        else:
            generator = MLP((self.latent,), shape, self.hidden, classes, rng=rng)
            discriminator = MLP(shape, (1,), self.hidden[::-1], classes, rng=rng)
        if self.spectral:
            normalise_spectra(discriminator, rng)
        loss = least_squares(*self.targets) if self.loss == "least-squares" else LOSSES[self.loss]
        rules = Rules(loss, self.gradient, self.r1)
        options = PlayerOptions(self.critic_steps, self.optimiser, self.betas, self.clip)
        return GAN(generator, discriminator, rules, self.latent, shape, self.prior, classes, options)

    def _check(self, shape: tuple[int, ...]) -> bool:
        """Whether the players are made of convolutions. Raises as `players`."""
        counts = {"latent": self.latent, "channels": self.channels, "critic-steps": self.critic_steps}
        for name, count in {**counts, "hidden": min(self.hidden, default=1)}.items():
            if count < 1:
                raise ValueError(f"{name} is at least 1, not {count}")
        for name in ("gradient", "r1", "clip"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is at least 0, not {getattr(self, name)}")
        images = len(shape) == 3
        if self.net == "conv" and not images:
            raise ValueError(f"net conv is for images, and the data has shape {shape}: use net mlp")
        convolutions = images and self.net != "mlp"
        if convolutions and self.normalisation == "batch" and (self.gradient or self.r1):
            raise ValueError("a gradient penalty is of each example alone: use normalisation none, not batch")
        return convolutions


@dataclass(frozen=True)
class DCGANConfig(GANConfig):
    """Deep convolutional GAN (Radford et al. 2016): strided convolutions and batch normalisation in both players."""

    net: Net = "conv"
    """Perceptrons, or convolutions (for images); auto: convolutions where there are images."""
    prior: Prior = "uniform"
    """Its law."""


@dataclass(frozen=True)
class CGANConfig(DCGANConfig):
    """Conditional GAN (Mirza and Osindero 2014): both players are told the class."""

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> GAN:
        """The two players for data with classes."""
        if not classes:
            raise ValueError("cgan is for data with classes, and this data set has none")
        return self.players(shape, classes, rng)


@dataclass(frozen=True)
class WGANConfig(GANConfig):
    """Wasserstein GAN (Arjovsky et al. 2017): a critic of bounded slope by clipped weights, five steps to one."""

    loss: LossName = "wasserstein"
    """What the players minimise; those from kl on are f-GANs."""
    clip: float = 0.01
    """Where the discriminator's weights are clipped; 0 leaves them alone."""
    critic_steps: int = 5
    """Steps of the discriminator for each of the generator; a run's steps are the discriminator's."""
    optimiser: Literal["adam", "rmsprop"] = "rmsprop"
    """Of both players."""
    published_rate: ClassVar[float] = 5e-5


@dataclass(frozen=True)
class WGANGPConfig(GANConfig):
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017): a critic of slope near 1 by a penalty."""

    loss: LossName = "wasserstein"
    """What the players minimise; those from kl on are f-GANs."""
    gradient: float = 10.0
    """Weight lambda of the gradient penalty between data and samples."""
    critic_steps: int = 5
    """Steps of the discriminator for each of the generator; a run's steps are the discriminator's."""
    betas: tuple[float, float] = (0.0, 0.9)
    """Of Adam."""
    normalisation: Normalisation = "none"
    """Of the discriminator's convolutions; none where a penalty needs examples that do not see each other."""
    published_rate: ClassVar[float] = 1e-4


@dataclass(frozen=True)
class LSGANConfig(GANConfig):
    """Least squares GAN (Mao et al. 2017): the discriminator is a regression."""

    loss: LossName = "least-squares"
    """What the players minimise; those from kl on are f-GANs."""


@dataclass(frozen=True)
class SNGANConfig(GANConfig):
    """Spectrally normalised GAN (Miyato et al. 2018): hinge loss, a discriminator of bounded slope by its layers."""

    loss: LossName = "hinge"
    """What the players minimise; those from kl on are f-GANs."""
    spectral: bool = True
    """Spectral normalisation of the discriminator's weights."""
    critic_steps: int = 5
    """Steps of the discriminator for each of the generator; a run's steps are the discriminator's."""
    betas: tuple[float, float] = (0.0, 0.9)
    """Of Adam."""
    normalisation: Normalisation = "none"
    """Of the discriminator's convolutions; none where a penalty needs examples that do not see each other."""
