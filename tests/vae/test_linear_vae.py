"""A linear VAE, trained, reaches the maximum likelihood of probabilistic PCA (CHECKS 3; Lucas et al. 2019)."""

import math

import numpy as np
import pytest
from linear_gaussian import SigmaNoise, minimise, repeated, sigma_points

from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.annealed import annealed_log_prob
from tinygen.vae.likelihood import Gaussian
from tinygen.vae.vae import VAE

D, Q = 5, 2
EIGENVALUES = np.array([4.0, 2.0, 0.5, 0.3, 0.1])


def covariance() -> np.ndarray:
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))
    return basis * EIGENVALUES @ basis.T


def linear_vae(size: int = D, latent: int = Q, **options) -> VAE:
    rng = Generator(1)
    encoder, decoder = MLP((size,), (2 * latent,), (), rng=rng), MLP((latent,), (size,), (), rng=rng)
    scale = options.pop("scale", None)
    return VAE(encoder, decoder, Gaussian(scale), latent, (size,), **options).to("float64")


@pytest.fixture(scope="module")
def trained() -> tuple[VAE, float]:
    """The model and its ELBO a point, which the noise's sigma points make exact."""
    model = linear_vae()
    x = sigma_points(np.arange(D) / 3.0, covariance())
    return model, -minimise(model, {"x": repeated(x, Q)}, SigmaNoise(), steps=1500, lr=0.03)


def test_the_elbo_reaches_the_likelihood_of_probabilistic_pca(trained):
    kept, left = EIGENVALUES[:Q], EIGENVALUES[Q:]
    best = -0.5 * (D * math.log(2 * math.pi) + np.log(kept).sum() + (D - Q) * math.log(left.mean()) + D)
    assert trained[1] == pytest.approx(best, abs=1e-3)
    assert trained[1] <= best + 1e-9


def test_it_is_the_likelihood_of_its_own_decoder_and_the_columns_are_orthogonal(trained):
    model, elbo = trained
    W = np.asarray(model.decoder.layers[0].weight)
    noise = math.exp(2 * model.likelihood.log_scale.item())
    C = W @ W.T + noise * np.eye(D)
    log_p = -0.5 * (
        D * math.log(2 * math.pi) + np.linalg.slogdet(C)[1] + np.trace(np.linalg.solve(C, covariance()))
    )  # the learned mean is the data's
    assert elbo == pytest.approx(log_p, abs=1e-3)
    off = (W.T @ W)[0, 1]
    assert abs(off) < 0.02 * np.sqrt(np.diag(W.T @ W)).prod()


def test_the_decoder_spans_the_principal_subspace_and_the_scale_is_what_is_left(trained):
    model, _ = trained
    principal = np.linalg.eigh(covariance())[1][:, -Q:]
    basis = np.linalg.qr(np.asarray(model.decoder.layers[0].weight))[0]
    assert np.linalg.svd(principal.T @ basis)[1].min() > 0.9999
    assert math.exp(2 * model.likelihood.log_scale.item()) == pytest.approx(EIGENVALUES[Q:].mean(), rel=1e-3)
    np.testing.assert_allclose(np.asarray(model.decoder.layers[0].bias), np.arange(D) / 3.0, atol=1e-3)


def test_drawn_noise_gives_the_same_loss_on_average(trained):
    model, elbo = trained
    x = np.tile(sigma_points(np.arange(D) / 3.0, covariance()), (2000, 1))
    losses = np.asarray(model.terms(*_observed(model, x)).elbo)
    assert abs(losses.mean() - elbo) < 5 * losses.std() / math.sqrt(len(losses))


def test_annealing_from_the_prior_finds_the_same_likelihood(trained):
    model, elbo = trained
    x = Tensor(sigma_points(np.arange(D) / 3.0, covariance()))
    prior = model.prior(len(x))
    found = annealed_log_prob(model.log_likelihood(x), prior, prior, Generator(0), 50, 100, step_size=0.25)
    assert found.log_p.mean() == pytest.approx(elbo, abs=0.1)


def _observed(model: VAE, x: np.ndarray):
    return Tensor(x), Generator(3)


@pytest.mark.parametrize(("variance", "beta"), [(3.0, 1.0), (3.0, 4.0), (2.0, 0.5)])
def test_beta_trades_rate_for_distortion_at_the_known_point(variance, beta):
    """CHECKS 4: distortion beta s^2, rate log(l / (beta s^2)) / 2, posterior precision 1 + w^2 / (beta s^2)."""
    s = 0.7
    model = linear_vae(1, 1, scale=s, beta=beta)
    batch = {"x": repeated(sigma_points(np.zeros(1), np.array([[variance]])), 1)}
    minimise(model, batch, SigmaNoise(), steps=1200, lr=0.03)
    terms = {name: value.item() for name, value in model.loss(batch, SigmaNoise())[1].items()}
    distortion = 2 * s**2 * (terms["reconstruction"] - 0.5 * math.log(2 * math.pi * s**2))
    assert distortion == pytest.approx(beta * s**2, rel=1e-4)
    assert terms["kl"] == pytest.approx(0.5 * math.log(variance / (beta * s**2)), rel=1e-4)
    w = np.asarray(model.decoder.layers[0].weight).item()
    precision = 1 / np.asarray(model.encode(_observed(model, batch["x"])[0]).variance)
    np.testing.assert_allclose(precision, 1 + w**2 / (beta * s**2), rtol=1e-3)


def test_the_posterior_collapses_where_the_data_varies_less_than_beta_allows():
    s, beta, variance = 0.7, 4.0, 1.5  # l <= beta s^2 = 1.96
    model = linear_vae(1, 1, scale=s, beta=beta)
    batch = {"x": repeated(sigma_points(np.zeros(1), np.array([[variance]])), 1)}
    minimise(model, batch, SigmaNoise(), steps=1200, lr=0.03)
    assert model.loss(batch, SigmaNoise())[1]["kl"].item() < 1e-6
    assert abs(np.asarray(model.decoder.layers[0].weight).item()) < 1e-3
