"""Gaussians and mixtures of them: one is the other's special case, and entropies are closed where modes are apart."""

import math

import numpy as np
import pytest

from tinygen import truth
from tinygen.distributions import NoClosedForm

COVARIANCE = np.array([[2.0, 0.3], [0.3, 0.5]])
X = np.random.default_rng(0).normal(size=(4, 3, 2))


def test_a_mixture_of_equal_components_is_one_gaussian():
    one = truth.Gaussian([1.0, -2.0], COVARIANCE)
    same = truth.GaussianMixture([[1.0, -2.0]] * 3, COVARIANCE, [0.2, 0.7, 0.1])
    np.testing.assert_allclose(same.log_prob(X).numpy(), one.log_prob(X).numpy(), rtol=1e-12)
    np.testing.assert_allclose(same.score(X).numpy(), one.score(X).numpy(), rtol=1e-12)
    assert same.entropy() == pytest.approx(one.entropy(), abs=1e-10)
    assert one.entropy() == pytest.approx(0.5 * math.log(np.linalg.det(2 * math.pi * math.e * COVARIANCE)))


def test_one_number_stands_for_a_multiple_of_the_identity():
    means = [[1.0, 2.0], [-1.0, 0.0]]
    number, matrix = truth.GaussianMixture(means, 0.3), truth.GaussianMixture(means, 0.3 * np.eye(2))
    for law in (number, matrix, number.at(0.4), matrix.at(0.4)):
        assert law.log_prob(X).shape == X.shape[:-1]
    for a, b in ((number, matrix), (number.at(0.4), matrix.at(0.4))):
        np.testing.assert_allclose(a.log_prob(X).numpy(), b.log_prob(X).numpy(), rtol=1e-12)
        np.testing.assert_allclose(a.score(X).numpy(), b.score(X).numpy(), rtol=1e-12)


def test_the_component_given_the_point_is_bayes_rule():
    """Two Gaussians of equal spread: logit p(1 | x) = log(w1 / w0) + (mu1 - mu0)' (x - (mu0 + mu1) / 2) / v."""
    law = truth.GaussianMixture([[0.0, 0.0], [1.0, 2.0]], 0.5, [0.3, 0.7])
    probs = law.posterior(X).probs.numpy()
    logit = math.log(7 / 3) + (X - [0.5, 1.0]) @ [1.0, 2.0] / 0.5
    np.testing.assert_allclose(probs[..., 1], 1 / (1 + np.exp(-logit)), rtol=1e-10)
    np.testing.assert_allclose(probs.sum(-1), 1)


def test_an_entropy_on_the_line_that_needs_a_fine_rule():
    """Widths 1 and 0.02, apart by 12: the entropy of the choice plus the mean of the two; together: it settles too."""
    covariances = np.array([[[1.0]], [[0.0004]]])
    apart = truth.GaussianMixture([[0.0], [12.0]], covariances, [0.25, 0.75])
    own = [0.5 * math.log(2 * math.pi * math.e * v) for v in (1.0, 0.0004)]
    choice = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert apart.entropy() == pytest.approx(choice + 0.25 * own[0] + 0.75 * own[1], abs=1e-9)
    together = truth.GaussianMixture([[0.0], [0.5]], covariances, [0.25, 0.75])
    line = np.linspace(-10, 10, 400_001)[:, None]
    log_p = together.log_prob(line).numpy()
    assert together.entropy() == pytest.approx(-(np.exp(log_p) * log_p).sum() * 5e-5, abs=1e-8)


def test_entropies_that_are_not_known_are_refused():
    with pytest.raises(NoClosedForm, match="1 or 2 dimensions"):
        truth.GaussianMixture(np.eye(3), 1.0).entropy()
    with pytest.raises(NoClosedForm, match="does not settle"):
        truth.GaussianMixture(np.zeros((2, 2)), np.stack([np.eye(2), 1e-6 * np.eye(2)])).entropy()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: truth.Gaussian(1.0), r"mean must have shape \(D,\)"),
        (lambda: truth.Gaussian([0.0, 1.0], [[1.0, 0.0], [0.0, -1.0]]), "must be positive definite"),
        (lambda: truth.Gaussian([0.0, 1.0], np.stack([np.eye(2)] * 3)), "one covariance is wanted"),
        (lambda: truth.Gaussian([0.0, 1.0], 0.0), "variance must be finite and above 0"),
        (lambda: truth.GaussianMixture([0.0, 1.0], 1.0), r"means must have shape \(K, D\)"),
        (lambda: truth.GaussianMixture([[0.0, 1.0]], np.eye(3)), r"or of shape \(2, 2\) or \(1, 2, 2\)"),
        (lambda: truth.GaussianMixture([[0.0], [1.0]], 1.0, [0.5, 0.6]), "sum of probs must be 1"),
        (lambda: truth.GaussianMixture([[0.0], [1.0]], 1.0, [1.0]), "1 weights need components"),
        (lambda: truth.TwoMoons(0.01), "sd must be 0.1 or above"),
    ],
)
def test_what_cannot_be_a_law_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
