"""Autoencoders: the law fitted to their codes, the figures of eval; what the linear ones learn is in the checks."""

import numpy as np
import pytest

from tinygen.checks.expectations import sigma_points
from tinygen.checks.vae.linear import affine
from tinygen.data import load
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.autoencoder import AEConfig, Autoencoder

X = sigma_points(np.array([0.5, -1.0, 0.0, 2.0]), np.diag([3.0, 1.0, 0.4, 0.2]))


def linear(noise: float = 0.0) -> Autoencoder:
    return Autoencoder(affine(4, 2, 0), affine(2, 4, 1), 2, noise).to("float64")


def test_only_a_denoising_one_has_a_score():
    with pytest.raises(ValueError, match="noise above 0"):
        linear().score(Tensor(X))
    with pytest.raises(ValueError, match="noise is a standard deviation"):
        linear(-0.1)


def test_draws_have_the_moments_of_the_codes_met_in_training():
    model = linear()
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
    model = linear().eval()
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
