"""`check_score` on scores that are gradients, and on the mistakes of score models."""

import numpy as np
import pytest

from tinygen import ops, truth
from tinygen.tensor import Tensor
from tinygen.testing import check_score

_rng = np.random.default_rng(0)
LAW = truth.Gaussian([1.0, -2.0], [[2.0, 0.3], [0.3, 0.5]])
X = _rng.normal(size=(5, 2)) * 2


@pytest.mark.parametrize(
    "law",
    [LAW, truth.eight_gaussians(), truth.two_moons(), truth.checkerboard().at(0.8), truth.ring().at(0.999)],
)
def test_the_scores_of_truths_are_their_gradients(law):
    assert check_score(law.log_prob, law.score, X)


def test_images_and_unnormalised_densities_will_do():
    assert check_score(lambda x: 7.0 - (x**4).sum((1, 2, 3)), lambda x: -4.0 * x**3, _rng.normal(size=(3, 2, 2, 2)))


def test_the_wrong_sign_is_named_at_a_plain_point():
    with pytest.raises(AssertionError, match=r"grad log p\(x\) broken: at x = \[0\., 0\.\].*the sign is wrong"):
        check_score(LAW.log_prob, lambda x: -LAW.score(x), X)


def test_a_factor_is_named():
    """A network trained on noise gives -sqrt(1 - a) times the score."""
    noised = LAW.at(0.75)
    with pytest.raises(AssertionError, match=r"at every point it is -0\.5 times the gradient"):
        check_score(noised.log_prob, noised.noise, X)


@pytest.mark.parametrize("offset", [1e-4, -1e-4])
def test_an_offset_either_way_is_found(offset):
    with pytest.raises(AssertionError, match="broken: at x = "):
        check_score(LAW.log_prob, lambda x: LAW.score(x) + offset, X)


def test_a_mistake_in_one_coordinate_is_found_where_it_shows():
    wrong = lambda x: LAW.score(x) + ops.stack([0.0 * x[:, 0], ops.maximum(x[:, 0] - 1.0, 0.0)], 1)
    with pytest.raises(AssertionError, match=r"at x = \[[2-9].*, 0\.\].*in entry 1$"):
        check_score(LAW.log_prob, wrong, [[0.5, 0.1], [3.3, -1.2]])


def test_covariance_for_precision_is_found_off_the_mean_only():
    wrong = lambda x: -(x - LAW.mean) @ LAW.covariance
    with pytest.raises(AssertionError, match="broken"):
        check_score(LAW.log_prob, wrong, X)
    assert check_score(LAW.log_prob, wrong, LAW.mean.numpy()[None])


def test_a_score_that_sees_the_rest_of_the_batch():
    whole = lambda x: LAW.score(x) + (0.0 if len(np.asarray(x)) == 1 else 1.0)
    with pytest.raises(AssertionError, match="in a batch of 5, and holds for each point alone"):
        check_score(LAW.log_prob, whole, X)


@pytest.mark.parametrize(
    ("log_prob", "score", "x", "error", "message"),
    [
        (LAW.log_prob, LAW.log_prob, X, AssertionError, r"score gives shape \(5,\)"),
        (lambda x: x, LAW.score, X, AssertionError, r"log_prob gives shape \(5, 2\) for points"),
        (truth.checkerboard().log_prob, LAW.score, [[0.5, -1.0]], AssertionError, r"not finite at x = \[ ?0.5, -1"),
        (lambda x: -abs(x - 0.50001).sum(-1), LAW.score, [[0.5, 3.0]], AssertionError, "not smooth"),
        (LAW.log_prob, LAW.score, [0.0, 1.0], ValueError, r"points \(N, ...\) are needed"),
    ],
)
def test_what_cannot_be_checked_is_refused(log_prob, score, x, error, message):
    with pytest.raises(error, match=message):
        check_score(log_prob, score, x)


def test_points_may_be_tensors():
    assert check_score(LAW.log_prob, LAW.score, Tensor(X))
