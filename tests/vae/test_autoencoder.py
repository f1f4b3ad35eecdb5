"""Linear autoencoders have closed forms (CHECKS 2): PCA without noise, Wiener's filter with it."""

import numpy as np
import pytest
from linear_gaussian import SigmaNoise, minimise, repeated, sigma_points

import tinygen as tg
from tinygen.data import load
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.autoencoder import AEConfig, Autoencoder

D, Q = 4, 2
MEAN = np.array([0.5, -1.0, 0.0, 2.0])
EIGENVALUES = np.array([3.0, 1.0, 0.4, 0.2])
BASIS, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))
S = BASIS * EIGENVALUES @ BASIS.T
X = sigma_points(MEAN, S)


def linear(latent: int, noise: float = 0.0) -> Autoencoder:
    rng = Generator(0)
    encoder, decoder = MLP((D,), (latent,), (), rng=rng), MLP((latent,), (D,), (), rng=rng)
    return Autoencoder(encoder, decoder, latent, noise).to("float64")


def jacobian(model: Autoencoder) -> np.ndarray:
    return np.asarray(tg.jacobian(lambda x: model(x.reshape(1, -1)).reshape(-1), Tensor(np.zeros(D))))


def test_a_linear_autoencoder_projects_on_the_principal_subspace():
    model = linear(Q)
    error = minimise(model, {"x": X}, Generator(0), steps=1500, lr=0.02)
    assert error == pytest.approx(EIGENVALUES[Q:].sum(), rel=1e-6)
    U = BASIS[:, :Q]
    np.testing.assert_allclose(jacobian(model), U @ U.T, atol=1e-3)
    np.testing.assert_allclose(np.asarray(model(Tensor(MEAN[None]))), MEAN[None], atol=1e-3)


def test_a_linear_denoising_autoencoder_is_wieners_filter_and_holds_the_score():
    noise = 0.6
    model = linear(D, noise)
    error = minimise(model, {"x": repeated(X, D)}, SigmaNoise(), steps=2000, lr=0.02)
    noised = S + noise**2 * np.eye(D)
    gain = S @ np.linalg.inv(noised)
    assert error == pytest.approx(noise**2 * np.trace(gain), rel=1e-6)  # what is left of the noise
    np.testing.assert_allclose(jacobian(model), gain, atol=2e-3)
    x = np.random.default_rng(1).normal(size=(5, D))
    score = -np.linalg.solve(noised, (x - MEAN).T).T
    np.testing.assert_allclose(np.asarray(model.score(Tensor(x))), score, atol=0.02)


def test_only_a_denoising_one_has_a_score():
    with pytest.raises(ValueError, match="noise above 0"):
        linear(Q).score(Tensor(X))
    with pytest.raises(ValueError, match="noise is a standard deviation"):
        linear(Q, -0.1)


def test_draws_have_the_moments_of_the_codes_met_in_training():
    model = linear(Q)
    for _ in range(400):
        model.loss({"x": X}, Generator(0))
    code = np.asarray(model.encoder(Tensor(X)))
    np.testing.assert_allclose(np.asarray(model.code_mean), code.mean(0), atol=1e-3)
    np.testing.assert_allclose(np.asarray(model.code_covariance), np.cov(code.T, bias=True), atol=1e-2)
    x, n = np.asarray(model.sample(20_000, Generator(1))), 20_000
    expected = np.asarray(model(Tensor(X)))  # decoding is affine, so moments go through it
    spread = expected.std(0)
    assert (np.abs(x.mean(0) - expected.mean(0)) < 5 * spread / np.sqrt(n) + 1e-3).all()
    np.testing.assert_allclose(x.std(0), spread, rtol=0.05)


def test_evaluation_leaves_the_moments_alone():
    model = linear(Q).eval()
    model.loss({"x": X}, Generator(0))
    np.testing.assert_array_equal(np.asarray(model.code_mean), 0.0)


def test_the_figures_of_eval():
    digits = load("digits", "test")
    model = AEConfig(hidden=(8,), noise=0.5).build((1, 8, 8), 10, Generator(0))
    figures = model.evaluate(digits, Generator(0))
    exact = ((digits.x - np.asarray(model(Tensor(digits.x)))) ** 2).sum((1, 2, 3)).mean()
    assert figures["reconstruction"][0] == pytest.approx(exact, rel=1e-5)
    assert set(figures) == {"reconstruction", "reconstruction of noised data"}
    with pytest.raises(ValueError, match="unconditional"):
        model.sample(2, Generator(0), cond=1)
