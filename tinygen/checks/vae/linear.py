"""Linear models, whose optimum is known: set there, or trained to it."""

import math
from typing import Any

import numpy as np

from tinygen import nn, optim
from tinygen.autodiff.backward import grad
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.autoencoder import Autoencoder
from tinygen.vae.likelihood import Gaussian
from tinygen.vae.vae import VAE

Model = Autoencoder | VAE
Batch = dict[str, np.ndarray]


def affine(inputs: int, outputs: int, seed: int = 0) -> MLP:
    """x A^T + b with weights as they are first drawn."""
    return MLP((inputs,), (outputs,), (), rng=Generator(seed))


def place(network: nn.Module, weight: np.ndarray, bias: np.ndarray) -> None:
    """Gives an affine map its weight (outputs, inputs) and bias (outputs,)."""
    for parameter, value in zip(network.parameters(), (weight, bias)):
        parameter.data = value


def linear_vae(size: int, latent: int, scale: float | None = None, beta: float = 1.0) -> VAE:
    """An affine encoder and decoder, float64; the scale of the likelihood is learned unless it is given."""
    encoder, decoder = affine(size, 2 * latent, 0), affine(latent, size, 1)
    model = VAE(encoder, decoder, Gaussian(scale), latent, (size,), beta).to("float64")
    if scale is not None:
        log_scale(model).data = np.array(math.log(scale))  # it was rounded to float32
    return model


def log_scale(model: VAE) -> Tensor:
    """The logarithm of the decoder's standard deviation."""
    assert isinstance(model.likelihood, Gaussian)
    return model.likelihood.log_scale


def train(model: Model, batch: Batch, rng: Generator, steps: int, lr: float) -> float:
    """Adam on the whole batch with a cosine's decay; the loss that it ends with."""
    optimiser = optim.Adam(model.parameters(), lr=lr)
    schedule = optim.LambdaLR(optimiser, optim.schedule.cosine(steps))
    for _ in range(steps):
        optimiser.zero_grad()
        model.loss(batch, rng)[0].backward()
        optimiser.step()
        schedule.step()
    return model.loss(batch, rng)[0].item()


def steepest(model: Model, batch: Batch, rng: Generator) -> float:
    """The greatest entry of the loss's gradient: 0 at an optimum."""
    slopes: Any = grad(model.loss(batch, rng)[0], list(model.parameters()))
    return max(float(np.abs(np.asarray(slope)).max()) for slope in slopes)
