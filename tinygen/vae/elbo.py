"""The evidence lower bound and the importance weights it is made of, in nats.

    log w = log p(x | z) + log p(z) - log q(z | x),   log p(x) >= E_q log w = E_q log p(x | z) - KL(q(z | x) || p(z))

Kingma and Welling 2014, "Auto-encoding variational Bayes", eqs. 3 and 7; beta as in Higgins et al. 2017, "beta-VAE",
eq. 4. Held by tinygen/checks/vae/ (elbo.py, beta.py) and tests/vae/test_elbo.py: with the exact posterior log w is
log p(x) for every z, and a linear model reaches the likelihood of probabilistic PCA.
"""

from collections.abc import Callable
from typing import NamedTuple

from tinygen.distributions import Distribution, kl_divergence
from tinygen.random import Generator
from tinygen.tensor import Tensor

LogLikelihood = Callable[[Tensor], Tensor]
"""Maps z (..., N, d) to log p(x_n | z) (..., N), for the N examples it was made for."""


class Terms(NamedTuple):
    """The two terms of the bound, each (N,): sums over the dimensions of an example."""

    log_likelihood: Tensor
    """log p(x | z) at one z drawn from q(z | x)."""
    kl: Tensor
    """KL(q(z | x) || p(z)), in closed form."""

    @property
    def elbo(self) -> Tensor:
        """An unbiased estimate of the bound for each example, (N,)."""
        return self.log_likelihood - self.kl


def elbo_terms(log_likelihood: LogLikelihood, posterior: Distribution, prior: Distribution, rng: Generator) -> Terms:
    """Both terms at one reparameterised z an example (Kingma and Welling 2014, eq. 7 with L = 1).

    Args:
        log_likelihood: z (N, d) to log p(x | z) (N,).
        posterior: q(z | x), a batch (N,) of laws over d coordinates, reparameterised.
        prior: p(z), with a closed-form KL from the posterior's family.
    """
    return Terms(log_likelihood(posterior.rsample(rng)), kl_divergence(posterior, prior))


def negative_elbo(terms: Terms, beta: float = 1.0) -> Tensor:
    """-log p(x | z) + beta KL, the mean over the batch: the loss of the beta-VAE, and of the VAE at beta = 1."""
    return (beta * terms.kl - terms.log_likelihood).mean()


def log_weights(log_likelihood: LogLikelihood, z: Tensor, posterior: Distribution, prior: Distribution) -> Tensor:
    """log p(x | z) + log p(z) - log q(z | x) at given z (..., N, d): (..., N)."""
    return log_likelihood(z) + prior.log_prob(z) - posterior.log_prob(z)
