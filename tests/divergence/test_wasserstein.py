"""Wasserstein-1 on the line, whichever way it is computed."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tinygen import distributions as td
from tinygen.divergence import transport, wasserstein_1, wasserstein_1d
from tinygen.testing import gradcheck


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6))
def test_between_points_it_is_the_linear_program_and_scipys(seed, n, m):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-3, 4, n) + 0.5 * rng.integers(0, 2, n), rng.normal(size=m)
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    value = wasserstein_1d(x, y, a, b).item()
    assert value == pytest.approx(transport(np.abs(x[:, None] - y), a, b).cost.item(), abs=1e-11)
    assert value == pytest.approx(scipy.stats.wasserstein_distance(x, y, a, b), abs=1e-12)


def test_batches_and_gradients():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(3, 5))
    each = [wasserstein_1d(u, v).item() for u, v in zip(x, y)]
    np.testing.assert_allclose(wasserstein_1d(x, y).numpy(), each, rtol=1e-12)
    assert gradcheck(lambda u, v: wasserstein_1d(u, v), x, y)
    a = rng.dirichlet(np.ones(4), 3)
    assert gradcheck(lambda u: wasserstein_1d(x, y, u / u.sum(-1, keepdims=True)), a)


def test_labels_and_gradients():
    a, b = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.1, 0.3])
    labels = np.arange(3.0)
    exact = scipy.stats.wasserstein_distance(labels, labels, a, b)
    assert wasserstein_1(td.Categorical(a), td.Categorical(b)).item() == pytest.approx(exact, rel=1e-13)
    assert wasserstein_1(td.Bernoulli(0.2 + 0 * a), td.Bernoulli(b)).numpy() == pytest.approx(np.abs(0.2 - b))
    parameters = [np.array(v) for v in (0.3, 0.8, -0.5, 1.1)]
    for family in (td.Normal, td.Laplace, td.Logistic, lambda a, b: td.Uniform(a, a + b)):
        assert gradcheck(lambda a, b, c, d, f=family: wasserstein_1(f(a, b), f(c, d)), *parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3)), np.zeros(3)), r"shapes \(..., n\) and \(..., m\) are needed, found \(2, 3\) and \(3,\)"),
        ((np.zeros(3), np.zeros(2), np.ones(2)), r"a must have its points' shape \(3,\), found \(2,\)"),
        ((np.zeros(2), np.zeros(2), np.ones(2), np.ones(2) / 3), "a and b must have equal sums, found 2.0 and 0.66"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        wasserstein_1d(*arguments)
    with pytest.raises(td.NoClosedForm, match="the Wasserstein-1 distance of Gamma and Gamma has no closed form"):
        wasserstein_1(td.Gamma(1.0, 1.0), td.Gamma(2.0, 1.0))
