"""What generators are fed and how their samples are scored: truncation, one prior, mode coverage (CHECKS 32, 39)."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen import nn, truth
from tinygen.checks.measurement import Measurement, equal, estimate
from tinygen.checks.registry import check
from tinygen.drawing import Scatter
from tinygen.gan import latent
from tinygen.gan.losses import SATURATING
from tinygen.gan.model import GAN, Rules
from tinygen.random import Generator
from tinygen.tensor import Tensor


@check(
    32,
    "gan",
    "the truncation trick's variance",
    formula=r"\mathrm{Var}(z\,|\,|z|\leq t)=1-\frac{2t\,\phi(t)}{2\Phi(t)-1}",
    statement="Latents kept within t have the truncated normal's variance, and none is beyond t.",
    source="Brock, Donahue and Simonyan 2019, section 3.1",
)
def truncation() -> Iterator[Measurement]:
    for t in (0.5, 1.5):
        z = latent.draw("normal", 400, 10, Generator(32), np.float64, truncation=t).numpy()
        density = math.exp(-t * t / 2) / math.sqrt(2 * math.pi)
        yield estimate(f"mean square, t = {t}", z**2, 1 - 2 * t * density / math.erf(t / math.sqrt(2)))
        yield equal(f"draws beyond {t}", (np.abs(z) > t).sum(), 0)


class Witness(nn.Module):
    """A generator and a discriminator in one: passes latents on, and keeps what it judged."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(np.ones(1))
        self.judged: list[np.ndarray] = []

    def forward(self, x: Tensor) -> Tensor:
        self.judged.append(x.detach().numpy())
        return x.sum(1, keepdims=True) * self.weight


@check(
    32,
    "gan",
    "trained and sampled on one prior",
    formula=r"z_{\mathrm{train}}\sim z_{\mathrm{sample}}:\quad E\,z^2=1\ (\mathrm{normal}),\ 1/3\ (\mathrm{uniform})",
    statement="The latents of both players' steps and those of `sample` are draws of the stated prior: mean 0, mean "
    "square 1 or 1/3.",
    source="a mistake of published code: training on one prior, sampling another",
)
def one_prior() -> Iterator[Measurement]:
    batch = {"x": np.zeros((2500, 2))}
    squares: dict[latent.Prior, float] = {"normal": 1.0, "uniform": 1 / 3}
    for prior, square in squares.items():
        witness = Witness()
        model = GAN(nn.Identity(), witness, Rules(SATURATING), size=2, shape=(2,), prior=prior)
        model.discriminator_loss(batch, Generator(1))
        model.generator_loss(batch, Generator(2))
        drawn = {
            "the discriminator's step": witness.judged[1],
            "the generator's step": witness.judged[2],
            "sample": model.sample(2500, Generator(3)).numpy(),
        }
        for name, z in drawn.items():
            yield estimate(f"{prior}, {name}: mean", z, 0.0)
            yield estimate(f"{prior}, {name}: mean square", z**2, square)


def _picture() -> Scatter:
    law = truth.grid()
    points = law.sample(2500, Generator(39))
    close = law.nearest(points)[1].numpy() <= 3
    caption = "Draws of the grid itself: of 2,500, those beyond 3 standard deviations count as poor."
    return Scatter(caption, {"within 3 sd": points.numpy()[close], "beyond": points.numpy()[~close]})


@check(
    39,
    "gan",
    "a perfect sampler's share of high quality",
    formula=r"P(|x-\mu|\leq 3\sigma)=1-e^{-4.5}=0.98889",
    statement="Of exact draws of Gaussians in the plane 98.89 % are within 3 standard deviations of a mode, not 99.7 % "
    "and not all: the score to compare a generator with. Every draw is nearest to the mode that made it.",
    source="VEEGAN: Srivastava et al. 2017, section 4.1; the share is that of a Rayleigh law",
    picture=_picture,
)
def perfect_sampler() -> Iterator[Measurement]:
    tilted = truth.GaussianMixture(np.array([[0.0, 0.0], [9.0, 1.0]]), np.array([[2.0, 0.6], [0.6, 0.5]]))
    for name, law in (("grid of 25", truth.grid()), ("ring of 8", truth.ring()), ("tilted pair", tilted)):
        points, made_by = law.sample_labelled(20_000, Generator(39))
        mode, distance = law.nearest(points)
        yield estimate(name, distance.numpy() <= 3.0, 1 - math.exp(-4.5))
        if name != "tilted pair":
            yield equal(f"{name}: draws at another mode", (mode.numpy() != made_by.numpy()).sum(), 0)
