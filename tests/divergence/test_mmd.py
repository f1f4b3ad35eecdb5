"""Maximum mean discrepancy: the estimates by their definition, gradients, what cannot be compared."""

import math

import numpy as np
import pytest

from tinygen import distributions as td
from tinygen.divergence import (
    median_bandwidth,
    mmd_biased,
    mmd_gaussians,
    mmd_unbiased,
    rbf_kernel,
    squared_distances,
)
from tinygen.testing import gradcheck

H = 0.9
P = td.MultivariateNormal(np.array([0.3, -0.5]), np.array([[1.2, 0.3], [0.3, 0.5]]))
Q = td.MultivariateNormal(np.array([-0.2, 0.6]), variance=np.array([0.4, 1.5]))


def test_both_estimates_by_their_definition():
    x, y = np.random.default_rng(1).normal(size=(2, 5, 2))
    y = y[:4]
    k = lambda u, v: math.exp(-((u - v) @ (u - v)) / (2 * H**2))
    mean = lambda pairs: np.mean([k(u, v) for u, v in pairs])
    cross = mean([(u, v) for u in x for v in y])
    biased = mean([(u, v) for u in x for v in x]) + mean([(u, v) for u in y for v in y]) - 2 * cross
    apart = lambda z: [(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]
    unbiased = mean(apart(x)) + mean(apart(y)) - 2 * cross
    assert mmd_biased(x, y, rbf_kernel(H)).item() == pytest.approx(biased, rel=1e-12)
    assert mmd_unbiased(x, y, rbf_kernel(H)).item() == pytest.approx(unbiased, rel=1e-12)


def test_gradients():
    x, y = np.random.default_rng(2).normal(size=(2, 4, 2))
    assert gradcheck(lambda u, v: mmd_unbiased(u, v, rbf_kernel(H)), x, y, order=2)
    assert gradcheck(lambda u, v: mmd_biased(u, v, rbf_kernel(H)), x, y)
    make = lambda m, s: mmd_gaussians(td.MultivariateNormal(m, variance=s), Q, H)
    assert gradcheck(make, np.array([0.3, -0.5]), np.array([0.6, 1.1]))


def test_distances_far_from_the_origin_are_not_lost():
    x = np.random.default_rng(3).normal(size=(6, 3))
    exact = ((x[:, None] - x) ** 2).sum(-1)
    np.testing.assert_allclose(squared_distances(x + 1e4, x + 1e4).numpy(), exact, atol=1e-10)


def test_median_bandwidth():
    assert median_bandwidth(np.array([0.0, 1.0]), np.array([3.0])) == pytest.approx(2.0, rel=1e-12)


def test_bad_arguments_are_refused_in_one_line():
    with pytest.raises(ValueError, match="rbf_kernel: bandwidth must be finite and above 0, found -1"):
        rbf_kernel(-1)
    with pytest.raises(ValueError, match=r"points of shape \(n, d\) and \(m, d\) are needed, found \(2, 3\) and"):
        mmd_biased(np.zeros((2, 3)), np.zeros((2, 2)), rbf_kernel(1))
    with pytest.raises(ValueError, match="each set needs two points at least, found 1 and 3"):
        mmd_unbiased(np.zeros(1), np.zeros(3), rbf_kernel(1))
    with pytest.raises(ValueError, match="all points are equal"):
        median_bandwidth(np.zeros(3), np.zeros(2))
    with pytest.raises(TypeError, match=r"a Gaussian is needed .*, found Laplace"):
        mmd_gaussians(P, td.Laplace(0.0, 1.0), H)
