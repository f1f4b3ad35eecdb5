"""Autoencoder and denoising autoencoder: min |x - g(f(x + s e))|^2, e ~ N(0, I); s = 0 for the plain one.

Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks"; Vincent et al. 2008,
"Extracting and composing robust features with denoising autoencoders"; that (r(x) - x) / s^2 is the score of the
noised data is Alain and Bengio 2014, theorem 1. An autoencoder has no law over codes, so to draw from it a normal law
is fitted to the codes met in training (Ghosh et al. 2020, "From variational to deterministic autoencoders", section 4).

Recipe: perceptron, Adam 1e-3. Held by tinygen/checks/vae/autoencoders.py: the linear one spans the PCA
subspace; and by tests/vae/test_autoencoder.py.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen import nn
from tinygen.autodiff.tape import no_grad
from tinygen.drawing import Drawing
from tinygen.ops.creation import eye, zeros
from tinygen.ops.losses import squared_distance_by_example
from tinygen.parallel import gathered
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor
from tinygen.vae.networks import NetworkOptions, data_of
from tinygen.vae.pictures import MAPPED, code_map, side_by_side

_MOMENTUM = 0.02  # of the running moments of the codes: about the last 50 batches


class Autoencoder(nn.Module):
    """An encoder f and a decoder g under squared error.

    Args:
        encoder: examples (N, ...) to codes (N, latent).
        decoder: codes (N, latent) to examples (N, ...).
        latent: dimensions of the code.
        noise: s, the standard deviation of what is added to the encoder's input in training.

    Raises:
        ValueError: a noise below 0.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, latent: int, noise: float = 0.0):
        super().__init__()
        if not 0 <= noise < np.inf:
            raise ValueError(f"noise is a standard deviation of at least 0, not {noise}")
        self.encoder, self.decoder, self.noise = encoder, decoder, noise
        self.register_buffer("code_mean", zeros(latent))
        self.register_buffer("code_covariance", eye(latent))

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction r(x) = g(f(x))."""
        return self.decoder(self.encoder(x))

    def corrupt(self, x: Tensor, rng: Generator) -> Tensor:
        """x + s e."""
        return x + self.noise * rng.normal(x.shape, x.dtype, x.device) if self.noise else x

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """|x - r(x + s e)|^2, summed over the dimensions, the mean over the batch."""
        x = data_of(self, batch["x"])
        code = self.encoder(self.corrupt(x, rng))
        if self.training:
            self._follow(code)
        return squared_errors(x, self.decoder(code)).mean(), {}

    def _follow(self, code: Tensor) -> None:
        """Moves the running moments of the codes towards this batch's."""
        with no_grad():
            centred = gathered(code) - self.code_mean
            self.code_covariance._assign(
                ((1 - _MOMENTUM) * self.code_covariance + _MOMENTUM / len(centred) * (centred.T @ centred))._data
            )
            self.code_mean._assign((self.code_mean + _MOMENTUM * centred.mean(axis=0))._data)

    def score(self, x: Tensor) -> Tensor:
        """(r(x) - x) / s^2, which at the optimum is the score of data + s e (Alain and Bengio 2014).

        Raises:
            ValueError: an autoencoder that was trained without noise has none.
        """
        if not self.noise:
            raise ValueError("the score is that of noised data: it takes an autoencoder with noise above 0")
        return (self(x) - x) * (1.0 / self.noise**2)

    def sample(self, n: int, rng: Generator, cond: Any = None) -> Tensor:
        """(n, ...) decoded draws from the normal law fitted to the codes. `cond` must be None."""
        if cond is not None:
            raise ValueError("ae is unconditional: sample(n, rng) takes no condition")
        values, vectors = np.linalg.eigh(np.asarray(self.code_covariance))  # may be singular: dead codes
        root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(self.code_mean.dtype)
        with no_grad():
            e = rng.normal((n, len(values)), self.code_mean.dtype, self.code_mean.device)
            return self.decoder(self.code_mean + e @ Tensor(root.T).to(e.device))

    def evaluate(self, dataset: Any, rng: Generator) -> dict[str, tuple[float, str]]:
        """Squared errors of the reconstructions of all of `dataset`, and of its corrupted versions where s > 0."""
        clean, corrupted = [], []
        with no_grad():
            for start in range(0, len(dataset), 256):
                x = data_of(self, dataset.batch(slice(start, start + 256))["x"])
                clean.append(np.asarray(squared_errors(x, self(x))))
                corrupted.append(np.asarray(squared_errors(x, self(self.corrupt(x, rng)))))
        unit = "squared error an example"
        figures = {"reconstruction": (float(np.concatenate(clean).mean()), unit)}
        if self.noise:
            figures["reconstruction of noised data"] = (float(np.concatenate(corrupted).mean()), unit)
        return figures

    def drawings(self, dataset: Any, rng: Generator) -> list[Drawing]:
        """Reconstructions, of noised examples where s > 0, and the map of codes by class."""
        x = data_of(self, dataset.batch(slice(MAPPED))["x"])
        with no_grad():
            given = self.corrupt(x, rng)
            codes = np.asarray(self.encoder(x))
            rows = {"original": np.asarray(x), "reconstruction": np.asarray(self(x))}
            if self.noise:
                rows = {"original": rows["original"], "noised": np.asarray(given), "denoised": np.asarray(self(given))}
        return [
            *side_by_side("Reconstructions: held-out examples through the code and back", rows),
            *code_map(codes, dataset),
        ]


def squared_errors(x: Tensor, reconstruction: Tensor) -> Tensor:
    """|x - r|^2 summed over the dimensions of each example: (N,)."""
    return squared_distance_by_example(x, reconstruction)


@dataclass(frozen=True)
class AEConfig(NetworkOptions):
    """Autoencoder: a code and back, under squared error; with noise above 0 a denoising one (Vincent et al. 2008)."""

    noise: float = 0.0
    """Standard deviation of what is added to the input in training."""

    def recipe(self, data: str) -> Recipe:
        """Digits in a quarter of a minute on 2 cores."""
        steps = 2400 if data == "digits" else 6000
        return Recipe(steps=steps, batch_size=64, lr=1e-3, ema_decay=0.995, warmup=100, sample_every=steps // 3)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> Autoencoder:
        """The model for images (C, H, W), or for points (D,)."""
        return Autoencoder(*self.networks(shape, 1, 0, rng), self.latent, self.noise)
