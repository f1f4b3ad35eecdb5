"""What holds for every truth: draws have its entropy, its score is the gradient of log p, Stein's identity."""

import math

import numpy as np
import pytest

from tinygen import truth
from tinygen.autodiff.backward import grad
from tinygen.distributions import NoClosedForm
from tinygen.random import Generator
from tinygen.tensor import Tensor

N = 20_000
_rng = np.random.default_rng(0)
_root = _rng.normal(size=(3, 2, 2))
COVARIANCES = _root @ _root.swapaxes(1, 2) + 0.2 * np.eye(2)

TRUTHS = {
    "gaussian": truth.Gaussian([1.0, -2.0, 0.5], [[2.0, 0.3, 0.0], [0.3, 1.0, -0.4], [0.0, -0.4, 0.7]]),
    "line": truth.Gaussian([0.7], 0.3),
    "mixture": truth.GaussianMixture(_rng.normal(size=(3, 2)) * 2, COVARIANCES, [0.2, 0.5, 0.3]),
    "ring": truth.ring(),
    "grid": truth.grid(),
    "eight": truth.eight_gaussians(),
    "checkerboard": truth.checkerboard(),
    "two moons": truth.two_moons(),
    "linear": truth.LinearGaussian(_rng.normal(size=(4, 2)), _rng.normal(size=4), 0.6),
    "labels": truth.DiscreteTable([0.1, 0.6, 0.0, 0.3]),
    "points": truth.DiscreteTable([0.2, 0.5, 0.3], [[0.0, 1.0], [2.0, -1.0], [1.0, 1.0]]),
}
every_truth = pytest.mark.parametrize("name", TRUTHS)
DENSITIES = [name for name, law in TRUTHS.items() if not law.discrete]


@pytest.fixture(scope="module")
def samples():
    return {name: law.sample(N, Generator(3)) for name, law in TRUTHS.items()}


@every_truth
def test_the_mean_negative_log_likelihood_of_draws_is_the_entropy(samples, name):
    """20,000 draws, 5 standard errors."""
    law = TRUTHS[name]
    assert samples[name].shape == (N, *law.event_shape)
    values = -law.log_prob(samples[name]).numpy()
    assert values.shape == (N,)
    error = values.std() / math.sqrt(N)
    assert abs(values.mean() - law.entropy()) <= 5 * error + 1e-9
    assert error < 0.03


@pytest.mark.parametrize("name", DENSITIES)
def test_the_score_is_the_gradient_of_log_p(samples, name):
    law = TRUTHS[name]
    point = Tensor(samples[name].numpy()[:50], requires_grad=True)
    (gradient,) = grad(law.log_prob(point).sum() + 0.0 * point.sum(), [point])
    score = law.score(point.detach()).numpy()
    np.testing.assert_allclose(score, gradient.numpy(), rtol=1e-9, atol=1e-9 * max(1, np.abs(score).max()))


@pytest.mark.parametrize("name", [n for n in DENSITIES if n != "checkerboard"])
def test_steins_identity(samples, name):
    """E[score(x) (x - c)'] = -I for any c, within 5 standard errors (a density that jumps has no such identity)."""
    law, x = TRUTHS[name], samples[name].numpy()
    products = law.score(x).numpy()[:, :, None] * (x - x[0])[:, None, :]
    error = products.std(0) / math.sqrt(N)
    assert (np.abs(products.mean(0) + np.eye(x.shape[1])) < 5 * error).all()


@every_truth
def test_draws_depend_on_the_generator_alone(name):
    law = TRUTHS[name]
    first, again, other = (law.sample(20, Generator(seed)).numpy() for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", ["gaussian", "mixture", "checkerboard", "two moons", "points"])
def test_points_of_another_dimension_are_refused(name):
    law = TRUTHS[name]
    with pytest.raises(ValueError, match=r"x of shape \(3, 5\) does not end in"):
        law.log_prob(np.zeros((3, 5)))


def test_a_law_of_points_has_no_score():
    with pytest.raises(NoClosedForm, match="DiscreteTable has no score"):
        TRUTHS["points"].score([[0.0, 1.0]])
