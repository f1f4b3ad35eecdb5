"""`check_normalised` on laws that are, and on log-probabilities that forget a term (CHECKS 37, 39)."""

import math

import numpy as np
import pytest

from tinygen import truth
from tinygen.tensor import Tensor
from tinygen.testing import all_states, check_normalised

WEIGHT = np.triu(np.random.default_rng(0).normal(size=(9, 9)) * 2, 1)
BOX = [(-7, 7), (-7, 7)]


def autoregressive(x, sign: float = 1.0, weight: np.ndarray = WEIGHT):
    """sum_i log Bernoulli(x_i | logit = sum_(j<i) w_ji x_j) of images (N, 1, 3, 3)."""
    flat = np.asarray(x, np.float64).reshape(-1, 9)
    logits = flat @ weight
    return Tensor(sign * (flat * logits - np.logaddexp(0, logits)).sum(1))


def test_all_states_of_a_binary_image():
    states = all_states((1, 3, 3))
    assert states.shape == (512, 1, 3, 3)
    assert len(np.unique(states.reshape(512, 9), axis=0)) == 512
    np.testing.assert_array_equal(all_states((2,), 3)[[0, 1, 3, 8]], [[0, 0], [0, 1], [1, 0], [2, 2]])


def test_an_autoregressive_law_sums_to_1_over_all_images():
    assert check_normalised(autoregressive, all_states((1, 3, 3)))


def test_one_that_sees_itself_does_not():
    with pytest.raises(AssertionError, match=r"sum of p = 1 broken: over all 512 states it is"):
        check_normalised(lambda x: autoregressive(x, weight=WEIGHT + np.eye(9)), all_states((1, 3, 3)))


def test_mass_on_states_that_are_left_out():
    with pytest.raises(AssertionError, match=r"over all 256 states it is 0\."):
        check_normalised(autoregressive, all_states((1, 3, 3))[:256])


def test_a_log_likelihood_of_the_wrong_sign_is_a_probability_above_1():
    with pytest.raises(AssertionError, match=r"p\(x\) <= 1 broken: p = .* at x = \[\[\[0"):
        check_normalised(lambda x: autoregressive(x, sign=-1), all_states((1, 3, 3)))


@pytest.mark.parametrize(
    "law", [truth.eight_gaussians(), truth.two_moons(), truth.ring(sd=0.1), truth.checkerboard().at(0.9)]
)
def test_densities_of_the_plane_integrate_to_1(law):
    assert check_normalised(law.log_prob, BOX, per_axis=200)
    assert check_normalised(law.at(0.5).log_prob, BOX, per_axis=200)


def test_a_density_on_the_line():
    assert check_normalised(truth.Gaussian([0.3], 0.5).log_prob, [(-8, 8)], tolerance=1e-12)


def test_a_forgotten_constant_is_named():
    with pytest.raises(AssertionError, match=r"p = 1 broken: over the box \[-7, 7\] x .*\+1\.83788 nats off"):
        check_normalised(lambda x: -0.5 * (x**2).sum(-1), BOX)


def test_a_box_that_is_too_small():
    with pytest.raises(AssertionError, match="or the box leaves mass out"):
        check_normalised(truth.Gaussian([0.0, 0.0]).log_prob, [(-1, 1), (-1, 1)])


def test_a_density_too_narrow_for_the_rule():
    with pytest.raises(ValueError, match="the rule does not settle"):
        check_normalised(truth.ring().log_prob, BOX)
    assert check_normalised(truth.ring(1, 0.0, 0.02).log_prob, [(-0.3, 0.3)] * 2)


@pytest.mark.parametrize(
    ("log_prob", "domain", "error", "message"),
    [
        (lambda x: x[:, 0] * np.nan, BOX, AssertionError, r"log p = nan at x = \[-6"),
        (lambda x: x, BOX, AssertionError, r"points \(8192, 2\), not \(8192,\)"),
        (lambda x: x, 3, TypeError, "iterable"),
        (lambda x: x, [(1, 0)], ValueError, r"one or two \(low, high\)"),
        (lambda x: x[:, 0], np.zeros((2, 1)), ValueError, "of the 2 states only 1 are different"),
    ],
)
def test_what_cannot_be_checked_is_refused(log_prob, domain, error, message):
    with pytest.raises(error, match=message):
        check_normalised(log_prob, domain)


def test_too_many_states_are_refused():
    with pytest.raises(ValueError, match="too many"):
        all_states((28, 28))


def test_the_tolerance_is_that_of_the_arithmetic():
    """A defect of 1e-7 fails in float64 and passes in float32, where the sum itself is no better."""
    probs = np.array([0.25, 0.75 + 1e-7])
    of = lambda dtype: lambda x: Tensor(np.log(probs)[np.asarray(x, np.int64)].astype(dtype))
    assert check_normalised(of(np.float32), np.arange(2))
    with pytest.raises(AssertionError, match="sum of p = 1 broken"):
        check_normalised(of(np.float64), np.arange(2))
    assert math.isclose(probs.sum(), 1, abs_tol=1e-6)
