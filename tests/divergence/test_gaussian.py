"""Transport between Gaussians: the Frechet distance of samples, the entropic cost by its limits and by Sinkhorn's
iteration on a grid (CHECKS 27)."""

import math

import numpy as np
import pytest
import scipy.linalg

import tinygen as tg
from tinygen import distributions as td
from tinygen.divergence import (
    entropic_cost,
    entropic_cost_of_gaussians,
    frechet_distance,
    frechet_distance_of_samples,
    squared_distances,
)
from tinygen.divergence.symmetric_root import lyapunov, symmetric_root
from tinygen.testing import gradcheck

_rng = np.random.default_rng(0)


def covariance(n=3, extra=2):
    a = _rng.normal(size=(n, n + extra))
    return a @ a.T / n


M1, M2, S1, S2 = _rng.normal(size=3), _rng.normal(size=3), covariance(), covariance()


def test_equal_sets_of_features_are_at_distance_zero():
    x = _rng.normal(size=(40, 5))
    assert frechet_distance_of_samples(x, x[::-1].copy()).item() == pytest.approx(0, abs=1e-12)
    few = _rng.normal(size=(4, 9))  # covariance of rank 3
    assert frechet_distance_of_samples(few, few).item() == pytest.approx(0, abs=1e-6)
    y = _rng.normal(size=(9, 5))
    fitted = frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert frechet_distance_of_samples(x, y).item() == pytest.approx(fitted.item(), rel=1e-10)


def test_gradients():
    symmetric = lambda s: 0.5 * (s + s.mT)
    distance = lambda m, s, t: frechet_distance(m, symmetric(s), M2, symmetric(t))
    assert gradcheck(distance, M1, S1, S2, order=2)
    assert gradcheck(lambda s: symmetric_root(symmetric(s)), S1, order=3)
    assert gradcheck(lambda s, c: lyapunov(symmetric(s), c), S1, _rng.normal(size=(3, 3)), order=2)
    entropic = lambda m, s, t: entropic_cost_of_gaussians(m, symmetric(s), M2, symmetric(t), 0.6)
    assert gradcheck(entropic, M1, S1, S2)


def test_roots():
    np.testing.assert_allclose(np.asarray(symmetric_root(S1)), scipy.linalg.sqrtm(S1), rtol=1e-10, atol=1e-12)
    x = np.asarray(lyapunov(S1, M1[:, None] * M2))
    np.testing.assert_allclose(S1 @ x + x @ S1, M1[:, None] * M2, rtol=1e-10, atol=1e-12)


# -- CHECKS 27 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 8.0])
def test_the_entropic_cost_of_gaussians_against_sinkhorn_on_a_grid(epsilon):
    """On the line; 161 points at equal distances over 8 standard deviations: the sum is exact to e^-30."""
    (m1, s1), (m2, s2) = (0.3, 0.8), (-0.4, 1.3)
    x, y = m1 + s1 * np.linspace(-7, 7, 161), m2 + s2 * np.linspace(-7, 7, 161)
    laws = td.Normal(np.array(m1), s1), td.Normal(np.array(m2), s2)
    a, b = (np.exp(law.log_prob(points).numpy()) for law, points in zip(laws, (x, y)))
    measured = entropic_cost(squared_distances(x, y), a / a.sum(), b / b.sum(), epsilon, 1e-12).item()
    exact = entropic_cost_of_gaussians(
        np.array([m1]), np.array([[s1**2]]), np.array([m2]), np.array([[s2**2]]), epsilon
    ).item()
    assert measured == pytest.approx(exact, rel=1e-8)


def test_limits_of_the_entropic_cost():
    exact = frechet_distance(M1, S1, M2, S2).item()
    for epsilon in (1e-3, 1e-5):
        value = entropic_cost_of_gaussians(M1, S1, M2, S2, epsilon).item()
        assert 0 < value - exact < 10 * epsilon * abs(math.log(epsilon))
    product = (M1 - M2) @ (M1 - M2) + np.trace(S1) + np.trace(S2)
    assert entropic_cost_of_gaussians(M1, S1, M2, S2, 1e6).item() == pytest.approx(product, rel=1e-5)


def test_the_entropic_plan_of_gaussians_is_gaussian_and_costs_the_same():
    """At the plan with cross-covariance K: tr terms + 2 s^2 mutual information, K = D/2 - s^2 I/2 in S1's frame."""
    epsilon = 0.9
    s2 = epsilon / 2
    root = np.asarray(symmetric_root(S1))
    inverse = np.linalg.inv(root)
    d = np.asarray(symmetric_root(4 * root @ S2 @ root + s2**2 * np.eye(3)))
    k = root @ (0.5 * (d - s2 * np.eye(3))) @ inverse
    joint = np.block([[S1, k], [k.T, S2]])
    assert np.linalg.eigvalsh(joint).min() > 0
    information = 0.5 * (np.linalg.slogdet(S1)[1] + np.linalg.slogdet(S2)[1] - np.linalg.slogdet(joint)[1])
    cost = (M1 - M2) @ (M1 - M2) + np.trace(S1) + np.trace(S2) - 2 * np.trace(k) + epsilon * information
    assert entropic_cost_of_gaussians(M1, S1, M2, S2, epsilon).item() == pytest.approx(cost, rel=1e-10)


def test_bad_arguments_are_refused_in_one_line():
    with pytest.raises(ValueError, match=r"frechet_distance: means \(n,\) and covariances \(n, n\) are needed, found"):
        frechet_distance(M1, S1[:2], M2, S2)
    with pytest.raises(ValueError, match="must be positive semidefinite, found the eigenvalue -"):
        frechet_distance(M1, S1 - 5 * np.eye(3), M2, S2)
    with pytest.raises(ValueError, match="two points at least on each side, found 1 and 2"):
        frechet_distance_of_samples(np.zeros((1, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="epsilon must be finite and above 0, found 0"):
        entropic_cost_of_gaussians(M1, S1, M2, S2, 0)
    assert isinstance(frechet_distance(M1, S1, M2, S2), tg.Tensor)
