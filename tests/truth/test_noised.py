"""Noised truths: density and denoiser against integrals over x_0, pairs against least squares (CHECKS 12)."""

import math

import numpy as np
import pytest

from tinygen import truth
from tinygen.autodiff.transforms import jacobian
from tinygen.distributions import NoClosedForm
from tinygen.random import Generator

_rng = np.random.default_rng(1)
_root = _rng.normal(size=(3, 2, 2))
COVARIANCES = _root @ _root.swapaxes(1, 2) + 0.3 * np.eye(2)
POINTS = np.array([[0.0, 1.0], [2.0, -1.0], [1.0, 1.0]])
TRUTHS = {
    "gaussian": truth.Gaussian([1.0, -2.0], [[2.0, 0.3], [0.3, 0.5]]),
    "isotropic": truth.Gaussian([1.0, -2.0], 0.4),
    "mixture": truth.GaussianMixture([[1.0, 2.0], [-2.0, 0.0], [0.0, -1.0]], COVARIANCES, [0.2, 0.5, 0.3]),
    "eight": truth.eight_gaussians(),
    "two moons": truth.two_moons(),
    "checkerboard": truth.checkerboard(),
    "table": truth.DiscreteTable([0.2, 0.5, 0.3], POINTS),
    "linear": truth.LinearGaussian([[1.0], [-0.5]], [0.2, 0.1], 0.4),
}
every_truth = pytest.mark.parametrize("name", TRUTHS)
LEVELS = pytest.mark.parametrize("alpha_bar", [0.999, 0.6, 0.02])


def data_points(law) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights whose weighted sum is E over the data: exact, or by a rule that is to 1e-9."""
    if law.discrete:
        return POINTS, law.probs.numpy()
    if isinstance(law, truth.Checkerboard):
        nodes, weights = np.polynomial.legendre.leggauss(64)
        corners = [(x, y) for x in (-4, -2, 0, 2) for y in (-4, -2, 0, 2) if (x + y) % 4 == 0]
        square = np.stack(np.meshgrid(nodes + 1, nodes + 1, indexing="ij"), -1).reshape(-1, 2)
        return np.concatenate([square + c for c in corners]), np.tile(np.outer(weights, weights).ravel(), 8) / 32
    extent = 5 if isinstance(law, truth.TwoMoons) else 11
    line = np.arange(-extent, extent, 0.07)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    p = np.exp(law.log_prob(grid).numpy()) * 0.07**2
    return grid[p > 1e-18], p[p > 1e-18]


@pytest.mark.parametrize(("name", "alpha_bar"), [*((n, a) for n in TRUTHS for a in (0.7, 0.02)), ("table", 0.999)])
def test_density_and_denoiser_are_the_integrals_over_the_data(name, alpha_bar):
    """p(x_t) = E N(x_t; sqrt(a) x_0, (1 - a) I), and E[x_0 | x_t] by Bayes' rule; noise from the denoiser."""
    law = TRUTHS[name]
    x_0, weight = data_points(law)
    noised = law.at(alpha_bar)
    x = noised.sample(12, Generator(2)).numpy()
    distance = np.square(x[:, None] - math.sqrt(alpha_bar) * x_0).sum(-1)
    joint = weight * np.exp(-distance / (2 * (1 - alpha_bar))) / (2 * math.pi * (1 - alpha_bar))
    np.testing.assert_allclose(np.exp(noised.log_prob(x).numpy()), joint.sum(1), rtol=1e-7)
    denoised = joint @ x_0 / joint.sum(1)[:, None]
    np.testing.assert_allclose(noised.denoiser(x).numpy(), denoised, rtol=1e-6, atol=1e-7)
    implied = (x - math.sqrt(alpha_bar) * denoised) / math.sqrt(1 - alpha_bar)
    np.testing.assert_allclose(noised.noise(x).numpy(), implied, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["mixture", "checkerboard", "table"])
def test_the_denoisers_jacobian_is_the_covariance_of_what_it_cannot_know(name):
    """dE[x_0 | x_t] / dx_t = sqrt(a) / (1 - a) Cov[x_0 | x_t], from the integrals again."""
    a, law = 0.7, TRUTHS[name]
    x_0, weight = data_points(law)
    for x in law.at(a).sample(4, Generator(6)).numpy():
        joint = weight * np.exp(-np.square(x - math.sqrt(a) * x_0).sum(-1) / (2 * (1 - a)))
        covariance = np.cov(x_0.T, aweights=joint, bias=True)
        expected = math.sqrt(a) / (1 - a) * covariance
        np.testing.assert_allclose(jacobian(law.at(a).denoiser, x).numpy(), expected, rtol=1e-6, atol=1e-7)


@every_truth
@LEVELS
def test_no_function_of_x_t_explains_what_the_denoiser_leaves(name, alpha_bar):
    """E[(x_0 - D(x_t)) g(x_t)] = 0 for g = 1, x_t, cos x_t: 20,000 pairs, 5 standard errors."""
    x_0, x_t = TRUTHS[name].at(alpha_bar).sample_pairs(20_000, Generator(4))
    residual = (x_0 - TRUTHS[name].at(alpha_bar).denoiser(x_t)).numpy()
    for g in (np.ones_like(residual), x_t.numpy(), np.cos(x_t.numpy())):
        products = residual * g
        error = products.std(0) / math.sqrt(len(products))
        assert (np.abs(products.mean(0)) <= 5 * error + 1e-12).all()


@every_truth
def test_noise_upon_noise_is_noise(name):
    """at(a).at(b) has the law of at(a b)."""
    law = TRUTHS[name]
    x = law.at(0.3).sample(10, Generator(5))
    twice, once = law.at(0.5).at(0.6), law.at(0.3)
    np.testing.assert_allclose(twice.log_prob(x).numpy(), once.log_prob(x).numpy(), rtol=1e-9)
    np.testing.assert_allclose(twice.score(x).numpy(), once.score(x).numpy(), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("alpha_bar", [1.0, 0.999, 0.3, 4.0358e-5])
def test_gaussian_data_on_the_line(alpha_bar):
    """V = a s^2 + 1 - a: noise sqrt(1 - a) (x - sqrt(a) mu) / V, denoiser mu + sqrt(a) s^2 (x - sqrt(a) mu) / V."""
    mu, s = 1.3, 0.4
    noised = truth.Gaussian([mu], s**2).at(alpha_bar)
    x = np.linspace(-3, 3, 7)[:, None]
    v = alpha_bar * s**2 + 1 - alpha_bar
    shift = x - math.sqrt(alpha_bar) * mu
    np.testing.assert_allclose(noised.noise(x).numpy(), math.sqrt(1 - alpha_bar) * shift / v, rtol=1e-12)
    expected = mu + math.sqrt(alpha_bar) * s**2 * shift / v
    np.testing.assert_allclose(noised.denoiser(x).numpy(), expected, rtol=1e-10, atol=1e-12)
    assert noised.entropy() == pytest.approx(0.5 * math.log(2 * math.pi * math.e * v), rel=1e-12)


@every_truth
def test_without_noise_a_point_is_its_own_origin(name):
    noised = TRUTHS[name].at(1.0)
    x_0, x_t = noised.sample_pairs(5, Generator(0))
    np.testing.assert_array_equal(x_0.numpy(), x_t.numpy())
    np.testing.assert_array_equal(noised.denoiser(x_t).numpy(), x_t.numpy())


@pytest.mark.parametrize("alpha_bar", [0.0, -0.1, 1.01, math.nan])
def test_what_is_left_of_the_data_is_a_share(alpha_bar):
    with pytest.raises(ValueError, match="alpha_bar must be above 0 and at most 1"):
        TRUTHS["gaussian"].at(alpha_bar)


def test_labels_have_no_noised_version():
    with pytest.raises(NoClosedForm, match="noise needs points of a space"):
        truth.DiscreteTable([0.5, 0.5]).at(0.5)
