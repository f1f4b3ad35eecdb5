"""The quadratures and the exact noise that the checks take expectations with."""

import math

import numpy as np
import pytest

from tinygen.checks.expectations import crossed, gauss_hermite, integral, sigma_points


def test_gauss_hermite_gives_the_moments_of_normal_noise():
    e, weights = gauss_hermite(2, nodes=4)
    assert weights.sum() == pytest.approx(1, rel=1e-14)
    for power, moment in ((1, 0), (2, 1), (4, 3), (6, 15)):
        assert weights @ e[:, 0] ** power == pytest.approx(moment, abs=1e-12)
    assert weights @ (e[:, 0] ** 2 * e[:, 1] ** 4) == pytest.approx(3, rel=1e-12)


def test_sigma_points_have_the_moments_they_are_given():
    mean, covariance = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.7]])
    points = sigma_points(mean, covariance)
    np.testing.assert_allclose(points.mean(0), mean, rtol=1e-12)
    np.testing.assert_allclose(np.cov(points.T, bias=True), covariance, rtol=1e-12)


def test_every_example_meets_every_point_of_noise():
    x = np.arange(6.0).reshape(3, 2)
    many, rng = crossed(x, 2)
    noise = rng.normal((12, 2)).numpy()
    assert many.shape == (12, 2)
    pairs = {(*a, *np.round(b, 12)) for a, b in zip(many, noise)}
    assert len(pairs) == 12
    for example in x:
        own = noise[(many == example).all(1)]
        np.testing.assert_allclose(own.mean(0), 0, atol=1e-14)
        np.testing.assert_allclose(own.T @ own / len(own), np.eye(2), rtol=1e-14)


def test_integrals_with_kinks_and_singular_ends():
    assert integral(np.exp, [0.0, 1.0]) == pytest.approx(math.e - 1, rel=1e-13)
    assert integral(lambda x: -np.log(x), [0.0, 1.0]) == pytest.approx(1, rel=1e-13)
    assert integral(lambda x: np.abs(x - 0.3), [-1.0, 0.3, 2.0]) == pytest.approx(0.5 * (1.3**2 + 1.7**2), rel=1e-13)
    assert integral(lambda x: x**-0.2, [0.0, 2.0]) == pytest.approx(2**0.8 / 0.8, rel=1e-11)
