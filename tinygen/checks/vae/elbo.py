"""The evidence lower bound on the linear Gaussian model, where log p(x) and the posterior are known (CHECKS 3)."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen.autodiff.backward import grad
from tinygen.checks.expectations import crossed, gauss_hermite, sigma_points
from tinygen.checks.measurement import Measurement, at_most, equal
from tinygen.checks.registry import check
from tinygen.checks.vae.linear import linear_vae, log_scale, place, steepest, train
from tinygen.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.truth import LinearGaussian
from tinygen.vae.elbo import log_weights
from tinygen.vae.vae import VAE

_rng = np.random.default_rng(0)
LAW = LinearGaussian(_rng.normal(size=(4, 2)), _rng.normal(size=4), 0.5)  # the columns of W are not orthogonal
X = LAW.sample(6, Generator(0))
M, LOG_P = LAW.precision.numpy(), LAW.log_prob(X).numpy()

D, Q = 5, 2
EIGENVALUES = np.array([4.0, 2.0, 0.5, 0.3, 0.1])
_basis, _ = np.linalg.qr(_rng.normal(size=(D, D)))
MEAN, S = np.arange(D) / 3.0, _basis * EIGENVALUES @ _basis.T
DATA = sigma_points(MEAN, S)
GREATEST = -0.5 * (
    D * math.log(2 * math.pi) + np.log(EIGENVALUES[:Q]).sum() + (D - Q) * math.log(EIGENVALUES[Q:].mean()) + D
)


def _elbo(means: Tensor, scales: Tensor) -> Tensor:
    """E_q log w of each of X for q = N(means, diag scales^2), by a quadrature that is exact here: (6,)."""
    e, weights = gauss_hermite(2)
    q = Independent(Normal(means, scales))
    z = means + scales * Tensor(e[:, None])
    log_w = log_weights(lambda z: LAW.likelihood(z).log_prob(X), z, q, LAW.prior.law)
    return (log_w * Tensor(weights[:, None])).sum(axis=0)


@check(
    3,
    "vae",
    "What the ELBO lacks is the KL to the posterior",
    formula=r"\log p(x)-\mathrm{ELBO}=\mathrm{KL}(q(z|x)\,\|\,p(z|x))",
    statement="Whatever law q encodes, the bound and the divergence of q from the posterior add up to log p(x).",
    source="Kingma and Welling 2014, eqs. 1 and 2",
)
def elbo_gap() -> Iterator[Measurement]:
    rng = np.random.default_rng(1)
    means, scales = Tensor(rng.normal(size=(6, 2))), Tensor(rng.uniform(0.2, 2.0, (6, 2)))
    kl = kl_divergence(MultivariateNormal(means, variance=scales**2), LAW.posterior(X))
    yield equal("ELBO + KL, six points", _elbo(means, scales) + kl, LOG_P)


@check(
    3,
    "vae",
    "The gap of a diagonal posterior",
    formula=r"\log p(x)-\max_{q\,\mathrm{diagonal}}\mathrm{ELBO}"
    r"=\frac{1}{2}\left[\sum_i\log M_{ii}-\log|M|\right],\quad M=W^TW+s^2I",
    statement="Where the columns of W are not orthogonal the coordinates of z depend on each other given x, and the "
    "best law of independent coordinates falls short of log p(x) by this much, the same at every x.",
    source="Lucas, Tucker, Grosse and Norouzi 2019",
)
def diagonal_gap() -> Iterator[Measurement]:
    best = LAW.posterior(X).mean.numpy(), np.tile(LAW.sd / np.sqrt(np.diag(M)), (6, 1))
    means, scales = (Tensor(v, requires_grad=True) for v in best)
    elbo = _elbo(means, scales)
    gap = 0.5 * (np.log(np.diag(M)).sum() - np.linalg.slogdet(M)[1])
    yield equal("gap at six points", LOG_P - elbo.numpy(), np.full(6, gap))
    for name, slope in zip(("means", "deviations"), grad(elbo.sum(), [means, scales])):
        yield equal(f"gradient in the {name}: no other diagonal law is nearer", slope, np.zeros((6, 2)))


def _optimal_vae() -> VAE:
    """The model of greatest likelihood with its posterior as the encoder: W's columns are orthogonal and M diagonal."""
    best = LinearGaussian.fit(DATA, Q)
    W, M = best.weight.numpy(), best.precision.numpy()
    to_mean = np.linalg.solve(M, W.T)
    spread = 0.5 * np.log(best.sd**2 / np.diag(M))
    model = linear_vae(D, Q)
    place(model.encoder, np.concatenate([to_mean, np.zeros((Q, D))]), np.concatenate([-to_mean @ MEAN, spread]))
    place(model.decoder, W, MEAN)
    log_scale(model).data = np.array(math.log(best.sd))
    return model


@check(
    3,
    "vae",
    "A linear VAE is probabilistic principal component analysis",
    formula=r"\max\mathrm{ELBO}=-\frac{1}{2}\left[d\log 2\pi+\log|C|+\mathrm{tr}\,C^{-1}S\right],\quad C=WW^T+s^2I",
    statement="The greatest ELBO of a linear VAE is the greatest likelihood of probabilistic PCA, a point; gradient "
    "descent reaches it, and there the columns of W are orthogonal.",
    source="Tipping and Bishop 1999, eqs. 4, 7, 8; Lucas et al. 2019",
)
def linear_vae_likelihood() -> Iterator[Measurement]:
    x, rng = crossed(DATA, Q)
    batch = {"x": x}
    model = _optimal_vae()
    yield equal("ELBO at the optimum", -model.loss(batch, rng)[0].item(), GREATEST)
    yield equal("gradient there", steepest(model, batch, rng), 0.0)
    model = linear_vae(D, Q)
    elbo = -train(model, batch, rng, 400, 0.08)
    W = next(model.decoder.parameters()).numpy()
    C = W @ W.T + math.exp(2 * log_scale(model).item()) * np.eye(D)
    own = -0.5 * (D * math.log(2 * math.pi) + np.linalg.slogdet(C)[1] + np.trace(np.linalg.solve(C, S)))
    yield equal("ELBO by training", elbo, GREATEST, 1e-3 / abs(GREATEST))
    yield at_most("it is a lower bound", elbo, GREATEST, 1e-9)
    yield equal("likelihood of the trained decoder", own, elbo, 1e-3 / abs(GREATEST))
    cosine = (W[:, 0] @ W[:, 1]) / np.sqrt((W**2).sum(0).prod())
    yield equal("cosine between the columns of the trained W", cosine, 0.0, 0.05)
