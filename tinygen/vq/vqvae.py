"""The VQ-VAE: an autoencoder whose code is a grid of K symbols, then a gated PixelCNN as the law of those grids.

van den Oord, Vinyals and Kavukcuoglu 2017, "Neural discrete representation learning", arXiv:1711.00937. The autoencoder
is trained by eq. 3, |x - x'|^2 + |sg(z) - e|^2 + beta |z - sg(e)|^2, each summed over an example; the prior by the
exact likelihood of the codes, given the class where the data has classes. One run trains first the one, then the other
(`learner.py`). Held by tinygen/checks/vq.py (CHECKS 9, 10) and tests/vq/.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinygen import nn, ops
from tinygen.autodiff.tape import no_grad
from tinygen.autoregressive.ancestral import ancestral
from tinygen.autoregressive.gated import GatedPixelCNN
from tinygen.drawing import Bars, Drawing, ImageRows
from tinygen.kernels.capture import capturing
from tinygen.learner import Learner, check_finite
from tinygen.nets.convolutional import resolutions
from tinygen.nets.inputs import as_input
from tinygen.parallel import gathered
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor
from tinygen.vq.learner import TwoPhases
from tinygen.vq.networks import GridDecoder, GridEncoder
from tinygen.vq.quantiser import Quantiser, perplexity, usage

_AT_ONCE = 256
_SHOWN = 12


class QuantisedAutoencoder(nn.Module):
    """Encoder, codebook, decoder.

    Args:
        encoder: images (N, C, H, W) to grids of vectors (N, D, h, w).
        quantiser: of those vectors.
        decoder: grids of codes (N, D, h, w) to images (N, C, H, W).
        beta: weight of the commitment term, and of no other.

    Raises:
        ValueError: a negative beta.
    """

    def __init__(self, encoder: nn.Module, quantiser: Quantiser, decoder: nn.Module, beta: float = 0.25):
        if not 0 <= beta < math.inf:
            raise ValueError(f"beta is at least 0, not {beta}")
        self.encoder, self.quantiser, self.decoder, self.beta = encoder, quantiser, decoder, beta
        self.seen: tuple[Tensor, Any] | None = None  # vectors and codes of the last loss, for the codebook

    def tensor(self, x: Any) -> Tensor:
        """Images as a tensor of the model's dtype, where it is."""
        return as_input(x, next(self.parameters()))

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Any]]:
        """Eq. 3; a codebook that follows moving averages has no term of its own there."""
        x = self.tensor(batch["x"])
        z = self.encoder(x)
        quantised = self.quantiser(z)
        self.seen = (z.detach(), quantised.indices)
        reconstruction = ops.sum((x - self.decoder(quantised.z)) ** 2) * (1.0 / len(x))
        loss = reconstruction + self.beta * quantised.commitment_loss
        if self.quantiser.learned:
            loss = loss + quantised.codebook_loss
        return loss, {
            "reconstruction": reconstruction,
            "quantisation": quantised.commitment_loss,
            "perplexity": perplexity(usage(gathered(quantised.indices), self.quantiser.codes)),
        }

    @no_grad()
    def vectors(self, x: Any) -> Tensor:
        """What the encoder makes of images x (N, C, H, W), without gradient: (N, D, h, w).

        Raises:
            NonFinite: it is not finite.
        """
        z = self.encoder(self.tensor(x))
        if not capturing():
            check_finite({"what leaves the encoder": float(ops.sum(z))})
        return z

    def codes(self, x: Any) -> Any:
        """Images x (N, C, H, W) as grids of codes, an array int64 (N, h, w). Raises NonFinite as `vectors` does."""
        return self.quantiser.nearest(self.vectors(x))

    @no_grad()
    def decode(self, codes: Any) -> Tensor:
        """Images (N, C, H, W) from grids of codes, an array (N, h, w)."""
        return self.decoder(self.quantiser.lookup(as_input(codes, self.quantiser.codebook, np.int64)._data))


class CodePrior(nn.Module):
    """The law of grids of codes, given a class or not."""

    def __init__(self, law: GatedPixelCNN):
        self.law = law

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Any]]:
        """-log p(codes | class) in nats, the mean over batch {"x": codes (N, h, w), "y": classes (N,)}."""
        codes = batch["x"]
        cond = self.law.condition(len(codes), batch["y"] if self.law.classes else None)
        nats = -self.law.log_prob(codes, cond).mean()
        return nats, {"prior": nats.detach()}


class VQVAE(nn.Module):
    """The two as one model.

    Args:
        grid: (h, w) of the codes.
        prior_share: share of a run's steps that trains the prior.
    """

    def __init__(self, autoencoder: QuantisedAutoencoder, prior: CodePrior, grid: tuple[int, int], prior_share: float):
        self.autoencoder, self.prior = autoencoder, prior
        self.grid, self.prior_share = grid, prior_share

    def learner(self, recipe: Recipe) -> Learner:
        """First the autoencoder, then the prior over its codes."""
        return TwoPhases(self, recipe)

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Any]]:
        """That of the autoencoder, with the prior's as a term; a run descends them one after the other."""
        loss, terms = self.autoencoder.loss(batch, rng)
        return loss, terms | self.prior.loss(self.coded(batch), rng)[1]

    @property
    def classes(self) -> int:
        """Of how many classes `sample` can be told one; 0 for none."""
        return self.prior.law.classes

    def coded(self, batch: Any) -> dict[str, Any]:
        """A batch with codes in place of images."""
        return {**batch, "x": self.autoencoder.codes(batch["x"])}

    def sample(self, n: int, rng: Generator, cond: Any = None) -> Tensor:
        """(n, C, H, W): codes from the prior, decoded.

        Args:
            cond: a class, or n of them, where the data has classes; None gives every class in turn.
        """
        law = self.prior.law
        return self.autoencoder.decode(ancestral(law, n, self.grid, rng, law.condition(n, cond)))

    def evaluate(self, dataset: Any, rng: Generator) -> dict[str, tuple[float, str]]:
        """Errors of the reconstructions, how the codes are used, and the prior's likelihood, over all of `dataset`."""
        errors, nats, codes = [], [], []
        with no_grad():
            for start in range(0, len(dataset), _AT_ONCE):
                batch = dataset.batch(slice(start, start + _AT_ONCE))
                coded = self.coded(batch)
                difference = batch["x"] - np.asarray(self.autoencoder.decode(coded["x"]))
                errors.append((difference**2).reshape(len(difference), -1).sum(axis=1))
                nats.append(float(self.prior.loss(coded, rng)[0]) * len(difference))
                codes.append(np.asarray(Tensor(coded["x"])))
        shares = usage(np.concatenate(codes), self.autoencoder.quantiser.codes)
        prior = sum(nats) / len(dataset)
        count = len(shares)
        return {
            "reconstruction": (float(np.concatenate(errors).mean()), "squared error an example"),
            "codes used": (float((shares > 0).sum()), f"of {count}"),
            "perplexity of the codes": (float(perplexity(shares)), f"of at most {count}"),
            "prior, negative log-likelihood": (prior, "nats per image, of its codes, exact"),
            "prior, bits per code": (
                prior / (math.prod(self.grid) * math.log(2.0)),
                f"bits; {math.log2(count):.3g} if all were equally likely",
            ),
        }

    def drawings(self, dataset: Any, rng: Generator) -> list[Drawing]:
        """Reconstructions of held-out examples, and how often each code is used."""
        x = dataset.batch(slice(_SHOWN))["x"]
        back = np.asarray(self.autoencoder.decode(self.autoencoder.codes(x)))
        codes = self.autoencoder.quantiser.codes
        shares = usage(np.asarray(Tensor(self.autoencoder.codes(dataset.batch(slice(1000))["x"]))), codes)
        return [
            ImageRows(
                "Reconstructions: held-out examples as codes and back", np.stack([x, back]), ("original", "back")
            ),
            Bars(
                f"Codes: how often each is used; perplexity {perplexity(shares):.1f} of {codes}",
                np.sort(shares)[::-1],
                "codes, the most used first",
                "share",
                {"1/K": 1.0 / codes},
            ),
        ]


@dataclass(frozen=True)
class VQVAEConfig:
    """VQ-VAE (van den Oord et al. 2017): images as grids of codes, and a gated PixelCNN over those grids."""

    codes: int = 64
    """Size of the codebook."""
    width: int = 16
    """Dimensions of a code."""
    hidden: int = 64
    """Channels of the encoder and of the decoder."""
    halvings: int | None = None
    """How often the encoder halves the size; when it is not given at most twice, while the sides stay 4 or more."""
    beta: float = 0.25
    """Weight of the commitment term."""
    codebook: Literal["ema", "loss"] = "ema"
    """How the codebook learns: by moving averages of what chooses each code, or by the codebook term of the loss."""
    decay: float = 0.99
    """Decay of those moving averages."""
    revival: float = 0.03
    """A code used less often than this share of an equal one is put on a vector of the batch; 0: never."""
    prior_share: float = 0.5
    """Share of the steps that trains the prior, after the autoencoder."""
    prior_width: int = 48
    """Channels of each stack of the prior."""
    prior_layers: int = 5
    """Gated layers of the prior."""
    prior_dropout: float = 0.3
    """Dropout in the prior; small data sets need it, on MNIST 0 is better in few steps."""

    def recipe(self, data: str) -> Recipe:
        """Digits in a minute and a half on 2 cores; MNIST in a quarter of an hour on one."""
        if data == "digits":
            return Recipe(steps=2000, batch_size=64, lr=1e-3, ema_decay=0.99, warmup=50, sample_every=500)
        return Recipe(steps=6000, batch_size=64, lr=1e-3, ema_decay=0.998, warmup=100, sample_every=1500)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> VQVAE:
        """The model for images (C, H, W)."""
        if len(shape) != 3:
            raise ValueError(f"vqvae is for images (C, H, W), and the data has shape {shape}")
        for name in ("codes", "width", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        if not 0 < self.prior_share < 1:
            raise ValueError(f"prior_share is between 0 and 1, not {self.prior_share}")
        halvings = len(resolutions(*shape[1:], most=2)) - 1 if self.halvings is None else self.halvings
        if halvings < 0 or any(side % 2**halvings for side in shape[1:]):
            raise ValueError(f"halvings {halvings} does not divide images of {shape[1]} x {shape[2]}")
        grid = (shape[1] // 2**halvings, shape[2] // 2**halvings)
        sizes = (shape[0], self.width, self.hidden, halvings)
        encoder, decoder = GridEncoder(*sizes, rng=rng), GridDecoder(*sizes, rng=rng)
        quantiser = Quantiser(self.codes, self.width, self.decay, self.codebook == "loss", self.revival, rng=rng)
        law = GatedPixelCNN(
            self.codes,
            self.prior_width,
            self.prior_layers,
            first=5,
            classes=classes or 0,
            dropout=self.prior_dropout,
            rng=rng,
        )
        autoencoder = QuantisedAutoencoder(encoder, quantiser, decoder, self.beta)
        return VQVAE(autoencoder, CodePrior(law), grid, self.prior_share)
