"""Bernoulli, categorical and discretised logistic: everything is a finite sum, so everything is exact."""

import math

import numpy as np
import pytest
import scipy.stats

import tinygen as tg
from tinygen import distributions as td
from tinygen.testing import gradcheck

PROBS = np.array([0.0, 0.2, 0.5, 0.93, 1.0])
TABLE = np.array([[0.2, 0.5, 0.3, 0.0], [0.0, 0.0, 1.0, 0.0]])
GRID = td.DiscretisedLogistic(np.array([-1.4, 0.03, 0.8]), np.array([0.02, 0.3, 5.0]))


def test_bernoulli_from_probabilities_is_scipys_also_at_0_and_1():
    law, reference = td.Bernoulli(PROBS), scipy.stats.bernoulli(PROBS)
    for x in (0, 1):
        np.testing.assert_allclose(law.log_prob(x).numpy(), reference.logpmf(x), rtol=1e-14)
    np.testing.assert_allclose(law.entropy().numpy(), reference.entropy(), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(law.variance.numpy(), reference.var(), rtol=1e-14)
    for x in (-0.5, 0, 0.5, 1):
        np.testing.assert_allclose(law.cdf(x).numpy(), reference.cdf(x), rtol=1e-14, atol=1e-16)


def test_bernoulli_from_logits_is_finite_at_ten_thousand():
    logits = np.array([-1e4, -2.0, 0.3, 1e4])
    law = td.Bernoulli(logits=logits)
    np.testing.assert_allclose(law.log_prob(1).numpy(), -np.logaddexp(0, -logits), rtol=1e-14)
    np.testing.assert_allclose(law.log_prob(0).numpy(), -np.logaddexp(0, logits), rtol=1e-14)
    assert np.isfinite(law.entropy().numpy()).all()


def test_bernoulli_gradients():
    x = np.array([0.0, 1.0, 1.0])
    logits = np.array([0.4, -1.2, 2.0])
    assert gradcheck(lambda t: td.Bernoulli(logits=t).log_prob(x), logits, order=3)
    assert gradcheck(lambda t: td.Bernoulli(logits=t).entropy(), logits, order=2)
    assert gradcheck(lambda p: td.Bernoulli(p).entropy(), PROBS[1:4], order=2)


def test_gradient_of_the_bernoulli_log_probability_in_its_logit_is_x_minus_p():
    logits = tg.tensor(np.array([0.4, -1.2, 2.0]), requires_grad=True)
    law = td.Bernoulli(logits=logits)
    x = np.array([0.0, 1.0, 1.0])
    (gradient,) = tg.grad(law.log_prob(x).sum(), [logits])
    np.testing.assert_allclose(gradient.numpy(), x - law.probs.detach().numpy(), rtol=1e-14)


def test_categorical_log_probabilities_and_entropy():
    law = td.Categorical(TABLE)
    with np.errstate(divide="ignore"):
        for k in range(4):
            np.testing.assert_allclose(law.log_prob(k).numpy(), np.log(TABLE[:, k]), rtol=1e-15)
    np.testing.assert_allclose(law.entropy().numpy(), [scipy.stats.entropy(TABLE[0]), 0.0], rtol=1e-14)
    np.testing.assert_allclose(law.mean.numpy(), TABLE @ np.arange(4), rtol=1e-14)
    np.testing.assert_allclose(law.variance.numpy(), [0.2 * 1.21 + 0.5 * 0.01 + 0.3 * 0.81, 0.0], atol=1e-14)
    np.testing.assert_allclose(law.cdf(1).numpy(), [0.7, 0.0], rtol=1e-14)


def test_categorical_logits_mean_their_softmax():
    logits = np.array([[0.3, -1.0, 2.0], [800.0, 0.0, -np.inf]])
    law = td.Categorical(logits=logits)
    np.testing.assert_allclose(law.probs.numpy().sum(-1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(law.entropy().numpy()[1], 0.0, atol=1e-14)
    x = np.array([2, 0])
    assert gradcheck(lambda t: td.Categorical(logits=t).log_prob(x), logits[:1], order=2)
    assert gradcheck(lambda t: td.Categorical(logits=t).entropy(), logits[:1], order=2)


@pytest.mark.parametrize("law", [td.Bernoulli(PROBS), td.Categorical(TABLE), GRID], ids=lambda law: law.name)
def test_frequencies_are_the_probabilities(law):
    n = 6000
    draws = law.sample(tg.random.Generator(2), (n,)).numpy()
    assert draws.shape == (n, *law.batch_shape)
    values = np.unique(draws)
    counted = np.stack([(draws == v).mean(0) for v in values])
    p = np.exp(np.stack([law.log_prob(v).numpy() for v in values]))
    assert (np.abs(counted - p) <= 5 * np.sqrt(p * (1 - p) / n) + 1e-12).all()  # what cannot be is never drawn


def test_the_bins_of_a_discretised_logistic_sum_to_one():
    for bins, low, high in ((256, -1.0, 1.0), (256, 0.0, 1.0), (2, -3.0, 7.0), (17, 0.0, 16.0)):
        law = td.DiscretisedLogistic(np.array([0.2, -4.0, 1.0]), np.array([0.01, 1.0, 50.0]), low, high, bins)
        np.testing.assert_allclose(np.exp(law.log_probs().numpy()).sum(0), 1.0, rtol=1e-12)


def test_a_bin_has_the_mass_of_its_cell():
    law = td.DiscretisedLogistic(np.array(0.3), np.array(0.7), 0.0, 9.0, 10)
    cdf = scipy.stats.logistic(0.3, 0.7).cdf
    edges = np.concatenate([[0.0], cdf(np.arange(9) + 0.5), [1.0]])
    np.testing.assert_allclose(law.log_prob(np.arange(10.0)).numpy(), np.log(np.diff(edges)), rtol=1e-9)
    np.testing.assert_allclose(law.cdf(np.arange(10.0)).numpy(), edges[1:], rtol=1e-14)
    p, x = np.diff(edges), np.arange(10)
    assert law.mean.item() == pytest.approx(p @ x, rel=1e-12)
    assert law.variance.item() == pytest.approx(p @ (x - p @ x) ** 2, rel=1e-12)
    assert law.entropy().item() == pytest.approx(scipy.stats.entropy(p), rel=1e-12)


def test_a_cell_far_in_the_tail_keeps_its_logarithm():
    law = td.DiscretisedLogistic(np.array(0.0), np.array(1e-3))
    step = 2 / 255
    x = np.array(-1 + 10 * step)
    upper = (float(x) + step / 2) / 1e-3  # the mass is e^upper (1 - e^(-step/scale)) to first order
    assert law.log_prob(x).item() == pytest.approx(upper + math.log1p(-math.exp(-step / 1e-3)), rel=1e-12)
    x = np.array([-1.0, -1 + 60 * step, 1.0])
    assert gradcheck(lambda m, s: td.DiscretisedLogistic(m, s).log_prob(x), np.array(0.1), np.array(0.2), order=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: td.Bernoulli(), "Bernoulli: give probs or logits, and only one of them"),
        (lambda: td.Bernoulli(1.2), "Bernoulli: probs must be from 0 to 1, found 1.2"),
        (lambda: td.Bernoulli(0.5).log_prob(0.3), "Bernoulli: x must be 0 or 1, found 0.3"),
        (lambda: td.Categorical([0.2, 0.7]), "Categorical: the sum of probs must be 1, found 0.9"),
        (lambda: td.Categorical([1.2, -0.2]), "Categorical: probs must be 0 or above, found -0.2"),
        (lambda: td.Categorical(0.3), r"Categorical: shape \(\) has no last axis of categories"),
        (lambda: td.Categorical(logits=[np.nan, 0.0]), "Categorical: logits must be a number below inf, found nan"),
        (lambda: td.Categorical([0.5, 0.5]).log_prob(2), "Categorical: x must be an integer from 0 to 1, found 2"),
        (lambda: td.Categorical([0.5, 0.5]).log_prob(-1), "Categorical: x must be an integer from 0 to 1, found -1"),
        (lambda: td.DiscretisedLogistic(0.0, 1.0, bins=1), "DiscretisedLogistic: the grid needs low < high and two"),
        (lambda: GRID.log_prob(0.5003), "DiscretisedLogistic: x must be one of 256 equally spaced values from -1 to 1"),
    ],
)
def test_bad_values_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
