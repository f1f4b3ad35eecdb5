"""Langevin's dynamics: domains, draws and refusals; the variances they end with are in the checks."""

import numpy as np
import pytest

from tinygen import truth
from tinygen.density import langevin, metropolis
from tinygen.random import Generator

STEP = 0.35
LAW = truth.Gaussian([0.0], 0.7)


def test_what_leaves_the_domain_is_never_accepted():
    board = truth.checkerboard()
    x, accepted = metropolis(board.log_prob, np.full((500, 2), [0.5, 0.5]), 0.5, 20, Generator(7))
    assert np.isfinite(board.log_prob(x).numpy()).all()
    assert 0 < accepted < 1


def test_draws_depend_on_the_generator_alone():
    for sampler in (
        lambda seed: langevin(LAW.score, np.zeros((5, 1)), STEP, 3, Generator(seed)),
        lambda seed: metropolis(LAW.log_prob, np.zeros((5, 1)), STEP, 3, Generator(seed), LAW.score)[0],
    ):
        np.testing.assert_array_equal(sampler(1).numpy(), sampler(1).numpy())
        assert (sampler(1).numpy() != sampler(2).numpy()).any()


def test_what_cannot_be_run_is_refused():
    with pytest.raises(ValueError, match="step must be above 0"):
        langevin(LAW.score, np.zeros((2, 1)), 0.0, 3, Generator(0))
    with pytest.raises(ValueError, match="steps must be 0 or more"):
        metropolis(LAW.log_prob, np.zeros((2, 1)), 0.1, -1, Generator(0))
    with pytest.raises(ValueError, match="starts where log p is not finite"):
        metropolis(truth.checkerboard().log_prob, [[9.0, 9.0]], 0.1, 1, Generator(0))
