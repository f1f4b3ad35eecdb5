"""Points from a random linear Gaussian model, in the form in which the bounds ask for its parts."""

import numpy as np

from tinygen.distributions import Independent, Normal
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.truth import LinearGaussian
from tinygen.vae.elbo import LogLikelihood


def random_model(seed: int = 0, size: int = 4, latent: int = 2, s: float = 0.5) -> tuple[LinearGaussian, Tensor]:
    """A model whose columns of W are not orthogonal, and six of its points."""
    rng = np.random.default_rng(seed)
    law = LinearGaussian(rng.normal(size=(size, latent)), rng.normal(size=size), s)
    return law, law.sample(6, Generator(seed))


def log_likelihood(law: LinearGaussian, x: Tensor) -> LogLikelihood:
    """z (..., N, q) -> log p(x | z) (..., N)."""
    return lambda z: Independent(Normal(z @ law.weight.mT + law.mean, law.sd)).log_prob(x)


def prior(law: LinearGaussian, n: int = 6) -> Independent:
    """N(0, I), a batch (n,) of it."""
    return Independent(Normal(np.zeros((n, law.weight.shape[1])), 1.0))


def diagonal_posterior(law: LinearGaussian, x: Tensor) -> Independent:
    """The diagonal law nearest to the posterior: its mean, and the variances s^2 / M_ii."""
    mean = law.posterior(x).mean
    return Independent(Normal(mean, np.tile(law.sd / np.sqrt(np.diag(law.precision.numpy())), (len(x), 1))))
