"""Probabilistic PCA: Bayes' rule at every latent, and the likelihood that the best linear model reaches (CHECKS 3)."""

import math

import numpy as np
import pytest

from tinygen import truth
from tinygen.random import Generator

_rng = np.random.default_rng(0)
LAW = truth.LinearGaussian(_rng.normal(size=(5, 2)), _rng.normal(size=5), 0.6)


def test_pairs_have_the_posterior():
    """(z - E[z | x]) whitened by the posterior's covariance is N(0, I) and independent of x; 20,000 pairs."""
    n = 20_000
    z, x = (v.numpy() for v in LAW.sample_pairs(n, Generator(1)))
    posterior = LAW.posterior(x)
    covariance = posterior.covariance.numpy()[0]
    u = np.linalg.solve(np.linalg.cholesky(covariance), (z - posterior.mean.numpy()).T).T
    assert (np.abs(u.mean(0)) < 5 / math.sqrt(n)).all()
    assert (np.abs(u.T @ u / n - np.eye(2)) < 5 * math.sqrt(2 / n)).all()
    with_x = u.T @ (x - LAW.mean.numpy()) / n
    assert (np.abs(with_x) < 5 * np.sqrt(np.diag(LAW.covariance.numpy()) / n)).all()


@pytest.mark.parametrize("latent", [1, 2, 4])
def test_the_fit_reaches_the_greatest_likelihood(latent):
    """-[D log 2 pi + sum_(j<=q) log l_j + (D - q) log s^2 + D] / 2 per point; moving any parameter lowers it."""
    x = _rng.normal(size=(200, 5)) @ _rng.normal(size=(5, 5))
    values = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    s2 = values[latent:].mean()
    greatest = -(5 * math.log(2 * math.pi) + np.log(values[:latent]).sum() + (5 - latent) * math.log(s2) + 5) / 2
    best = truth.LinearGaussian.fit(x, latent)
    assert best.log_prob(x).numpy().mean() == pytest.approx(greatest, rel=1e-10)
    for _ in range(5):
        weight = best.weight.numpy() + 0.02 * _rng.normal(size=(5, latent))
        other = truth.LinearGaussian(weight, best.mean.numpy() + 0.02 * _rng.normal(size=5), best.sd * 1.01)
        assert other.log_prob(x).numpy().mean() < greatest


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: truth.LinearGaussian([1.0, 2.0]), r"weight must have shape \(D, q\)"),
        (lambda: truth.LinearGaussian([[1.0], [2.0]], sd=0.0), "sd must be above 0"),
        (lambda: truth.LinearGaussian([[1.0], [2.0]], [1.0, 2.0, 3.0]), r"must end in \(3, 3\)"),
        (lambda: truth.LinearGaussian.fit(np.zeros((4, 3)), 3), "1 <= latent < D"),
        (lambda: truth.LinearGaussian.fit(np.outer(np.arange(5.0), [1.0, 2.0, 3.0]), 1), "lie in 1 dimensions"),
    ],
)
def test_what_cannot_be_a_model_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
