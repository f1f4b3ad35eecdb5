"""Two-sample tests: under one law the p-values are uniform, under two laws they are small."""

import math

import numpy as np
import pytest
import scipy.optimize

import tinygen as tg
from tinygen.divergence import classifier_test, mmd_test
from tinygen.divergence.logistic_regression import logistic_regression, quadratic_features

REPEATS, PERMUTATIONS = 400, 19

every_test = pytest.mark.parametrize("test", [mmd_test, classifier_test], ids=lambda test: test.__name__)


@every_test
def test_p_values_are_uniform_under_one_law(test):
    """On {1 ... 20}/20: the chi-squared statistic of 400 p-values stays below its 99.9 % point, 43.8 for 19 degrees."""
    data = np.random.default_rng(0)
    p = []
    for seed in range(REPEATS):
        x, y = data.normal(size=(14, 2)), data.normal(size=(10, 2))
        p.append(test(x, y, tg.random.Generator(seed), permutations=PERMUTATIONS).p_value)
    ranks = np.rint(np.array(p) * (PERMUTATIONS + 1)).astype(int)
    np.testing.assert_allclose(ranks / (PERMUTATIONS + 1), p)
    counts = np.bincount(ranks, minlength=PERMUTATIONS + 2)[1:]
    expected = REPEATS / (PERMUTATIONS + 1)
    assert ((counts - expected) ** 2 / expected).sum() < 43.8
    assert (np.array(p) <= 0.05).mean() < 0.05 + 5 * math.sqrt(0.05 * 0.95 / REPEATS)


@every_test
def test_two_laws_are_told_apart_by_their_mean_and_by_their_spread(test):
    data = np.random.default_rng(1)
    x = data.normal(size=(80, 2))
    for y in (data.normal(size=(80, 2)) + 1.2, data.normal(size=(80, 2)) * 2.5):
        assert test(x, y, tg.random.Generator(0)).p_value == 1 / 200


def test_accuracy_of_the_classifier():
    data = np.random.default_rng(2)
    x = data.normal(size=(400, 1))
    far = classifier_test(x, data.normal(size=(400, 1)) + 2, tg.random.Generator(0))
    best = 0.5 * (1 + math.erf(1 / math.sqrt(2)))  # Phi(1): the Bayes rule for two normals two apart
    assert abs(far.accuracy - best) < 5 * math.sqrt(best * (1 - best) / 400)
    near = classifier_test(x, data.normal(size=(400, 1)), tg.random.Generator(0))
    assert abs(near.accuracy - 0.5) < 5 * math.sqrt(0.25 / 400)


def test_logistic_regression_finds_the_minimum():
    data = np.random.default_rng(3)
    x = data.normal(size=(60, 3))
    labels = (x @ [1.0, -2.0, 0.5] + data.logistic(size=60) > 0.3).astype(float)
    logit = logistic_regression(x, labels, ridge=0.05)
    scaled = (x - x.mean(0)) / x.std(0)

    def objective(w):
        z = scaled @ w[:3] + w[3]
        return (np.logaddexp(0, z) - labels * z).mean() + 0.025 * (w[:3] ** 2).sum()

    best = scipy.optimize.minimize(objective, np.zeros(4), tol=1e-12).x
    np.testing.assert_allclose(logit(x), scaled @ best[:3] + best[3], atol=1e-5)


def test_separable_points_have_a_finite_answer():
    logit = logistic_regression(np.array([[-1.0], [-2.0], [1.0], [2.0]]), np.array([0.0, 0.0, 1.0, 1.0]))
    assert np.isfinite(logit(np.array([[5.0]]))).all()


def test_quadratic_features():
    np.testing.assert_array_equal(quadratic_features(np.array([[2.0, 3.0]])), [[2, 3, 4, 6, 9]])


def test_the_same_seed_gives_the_same_answer_and_bad_arguments_are_refused():
    x, y = np.random.default_rng(4).normal(size=(2, 12))
    assert mmd_test(x, y, tg.random.Generator(5)) == mmd_test(x, y, tg.random.Generator(5))
    with pytest.raises(ValueError, match="permutations must be 1 at least, found 0"):
        mmd_test(x, y, tg.random.Generator(0), permutations=0)
    with pytest.raises(ValueError, match="each sample needs four points at least, found 3 and 12"):
        classifier_test(x[:3], y, tg.random.Generator(0))
