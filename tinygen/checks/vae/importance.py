"""The k-sample bound, by enumeration of a latent of four values and on the linear Gaussian model (CHECKS 5)."""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from tinygen.autodiff.backward import grad
from tinygen.checks.measurement import Measurement, at_least, at_most, equal
from tinygen.checks.registry import check
from tinygen.checks.vae.elbo import LAW, LOG_P, X
from tinygen.checks.vae.linear import linear_vae
from tinygen.distributions import MultivariateNormal
from tinygen.drawing import Curves
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.elbo import log_weights
from tinygen.vae.importance import effective_sample_size, estimate_bound, k_sample_bound

JOINT = np.array([0.30, 0.05, 0.12, 0.01])  # p(x, z) of the x that is observed, for each z
Q = np.array([0.1, 0.4, 0.3, 0.2])  # q(z | x)
SMALL_P = math.log(JOINT.sum())


def _bound(k: int) -> float:
    """L_k: the mean over all 4^k sets of samples."""
    sets = np.array(list(itertools.product(range(4), repeat=k))).T  # (k, 4^k)
    log_w = np.log(JOINT / Q)[sets]
    return float(k_sample_bound(Tensor(log_w)).numpy() @ Q[sets].prod(0))


def _picture() -> Curves:
    k = np.arange(1, 7)
    lines = {"L_k": np.array([_bound(int(i)) for i in k]), "log p(x)": np.full(len(k), SMALL_P)}
    return Curves("The bound of k samples rises to log p(x).", k, lines, "samples k", "nats")


@check(
    5,
    "vae",
    "More samples, a tighter bound",
    formula=r"L_k=E\log\frac{1}{k}\sum_{i=1}^{k}\frac{p(x,z_i)}{q(z_i|x)},\quad L_1=\mathrm{ELBO},\quad "
    r"L_k\leq L_{k+1}\leq\log p(x)",
    statement="The bound of one sample is the ELBO, each further sample raises it, and none lifts it above log p(x). "
    "All sets of up to six samples of a latent with four values are enumerated.",
    source="Burda, Grosse and Salakhutdinov 2016, theorem 1",
    picture=_picture,
)
def k_sample_bound_rises() -> Iterator[Measurement]:
    bounds = [_bound(k) for k in range(1, 7)]
    posterior = JOINT / JOINT.sum()
    yield equal("L_1 = log p - KL(q || posterior)", bounds[0], SMALL_P - Q @ np.log(Q / posterior))
    weights = JOINT / Q
    two = Q @ np.log((weights[:, None] + weights) / 2) @ Q
    yield equal("L_2, by its double sum", bounds[1], two)
    for k, (lower, higher) in enumerate(itertools.pairwise(bounds), 1):
        yield at_least(f"L_{k + 1} against L_{k}", higher, lower)
        yield at_most(f"L_{k + 1} against log p", higher, SMALL_P)


def _log_likelihood(z: Tensor) -> Tensor:
    return LAW.likelihood(z).log_prob(X)


@check(
    5,
    "vae",
    "From the posterior every sample gives log p(x)",
    formula=r"q(z|x)=p(z|x)\ \Rightarrow\ \log p(x|z)+\log p(z)-\log q(z|x)=\log p(x)\quad\forall z",
    statement="When the encoder is the posterior the weights have no variance, at any z: every bound is log p(x) and "
    "the effective sample size is k.",
    source="Burda, Grosse and Salakhutdinov 2016, section 3; Bayes' rule",
)
def exact_posterior_weights() -> Iterator[Measurement]:
    q, prior = LAW.posterior(X), MultivariateNormal(np.zeros((6, 2)), variance=np.ones(2))
    z = Tensor(3.0 * np.random.default_rng(0).normal(size=(9, 6, 2)))
    log_w = log_weights(_log_likelihood, z, q, prior)
    yield equal("log w at nine wide draws of z", log_w, np.broadcast_to(LOG_P, (9, 6)))
    yield equal("effective samples of nine", effective_sample_size(log_w), np.full(6, 9.0))
    for k in (1, 7):
        bound = estimate_bound(_log_likelihood, q, prior, k, Generator(k), at_once=3)
        yield equal(f"bound of {k}, in parts of 3", bound, LOG_P)


@check(
    5,
    "vae",
    "The gradient of the k-sample bound",
    formula=r"\nabla\log\frac{1}{k}\sum_iw_i=\sum_i\tilde{w}_i\nabla\log w_i,\qquad \tilde{w}_i=w_i/\sum_jw_j",
    statement="Better samples count more: the gradient is the mean of those of the log weights, weighed by the "
    "normalised weights. In a linear decoder's weights that of log w is (x - W z - b) z^T / s^2; through z = m + t e "
    "it reaches the encoder.",
    source="Burda, Grosse and Salakhutdinov 2016, eq. 14",
)
def k_sample_gradient() -> Iterator[Measurement]:
    k, s = 5, 0.7
    model = linear_vae(4, 2, s)
    model.samples = k
    W, b = (v.numpy() for v in model.decoder.parameters())
    q = model.encode(X)
    z = q.sample(Generator(3), (k,)).numpy()  # the draws that the loss makes from the same seed
    residual = X.numpy() - (z @ W.T + b)
    log_joint = -0.5 * (residual**2).sum(-1) / s**2 - 0.5 * (z**2).sum(-1)
    log_w = log_joint - q.log_prob(z).numpy()
    share = np.exp(log_w - log_w.max(0))
    share /= share.sum(0)
    slopes = residual[..., None] * z[..., None, :] / s**2  # (k, N, 4, 2)
    loss, figures = model.loss({"x": X.numpy()}, Generator(3))
    in_weights, in_biases = grad(loss, [next(model.decoder.parameters()), list(model.encoder.parameters())[1]])
    expected = -(share[..., None, None] * slopes).sum(0).mean(0)
    yield equal("gradient of the loss in the decoder's weights, k = 5", in_weights, expected)
    # With z = m + t e the encoder moves log w by the slope in z, and log t by 1 more: -log q has it.
    in_mean = residual @ W / s**2 - z
    along = np.concatenate([in_mean, in_mean * (z - q.mean.numpy()) + 1], -1)
    yield equal("in the encoder's biases", in_biases, -(share[..., None] * along).sum(0).mean(0))
    yield equal("effective samples", figures["effective_samples"], (1 / (share**2).sum(0)).mean())
