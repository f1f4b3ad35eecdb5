"""Langevin's dynamics: the bias of the unadjusted chain in closed form, and that Metropolis removes it (CHECKS 20)."""

import math

import numpy as np
import pytest

from tinygen import truth
from tinygen.density import langevin, log_acceptance, metropolis
from tinygen.random import Generator
from tinygen.tensor import Tensor

V, STEP, N = 0.7, 0.35, 40_000
LAW = truth.Gaussian([0.0], V)


def variance_and_error(x: Tensor) -> tuple[float, float]:
    value = float(np.square(x.numpy()).mean())
    return value, value * math.sqrt(2 / len(x))


def test_the_unadjusted_chain_has_its_own_stationary_variance():
    """From 0 the variance obeys c' = (1 - h/v)^2 c + 2h; its fixed point is v / (1 - h / (2v)) = 4/3 v here."""
    x = langevin(LAW.score, np.zeros((N, 1)), STEP, 40, Generator(0))
    stationary = V / (1 - STEP / (2 * V))
    assert (1 - STEP / V) ** 2 * stationary + 2 * STEP == pytest.approx(stationary, rel=1e-12)
    variance, error = variance_and_error(x)
    assert abs(variance - stationary) < 5 * error
    assert abs(variance - V) > 20 * error


@pytest.mark.parametrize("steps", [1, 3])
def test_the_variance_on_the_way(steps):
    variance, error = variance_and_error(langevin(LAW.score, np.zeros((N, 1)), STEP, steps, Generator(1)))
    expected = 0.0
    for _ in range(steps):
        expected = (1 - STEP / V) ** 2 * expected + 2 * STEP
    assert abs(variance - expected) < 5 * error


@pytest.mark.parametrize("score", [LAW.score, None], ids=["langevin", "random walk"])
def test_metropolis_keeps_the_law(score):
    """From exact draws and from 0 alike: variance v, within 5 standard errors."""
    for start, steps in ((LAW.sample(N, Generator(3)), 3), (np.zeros((N, 1)), 40)):
        x, accepted = metropolis(LAW.log_prob, start, STEP, steps, Generator(4), score)
        variance, error = variance_and_error(x)
        assert abs(variance - V) < 5 * error
        assert 0.3 < accepted < 0.99


@pytest.mark.parametrize("score", ["gradient", "none", "wrong"])
def test_detailed_balance(score):
    """p(x) q(x'|x) a(x, x') = p(x') q(x|x') a(x', x), to rounding, whatever drift the proposal has."""
    law, h = truth.eight_gaussians(), 0.2
    drift = {"gradient": law.score, "none": lambda x: 0.0 * x, "wrong": lambda x: x**2 - 1.0}[score]
    x, y = law.sample(30, Generator(5)), law.sample(30, Generator(6))

    def flow(a, b):
        proposal = -((b - a - h * drift(a)) ** 2).sum(-1) / (4 * h)
        return (law.log_prob(a) + proposal + log_acceptance(law.log_prob, drift, a, b, h)).numpy()

    np.testing.assert_allclose(flow(x, y), flow(y, x), rtol=1e-10)
    assert (log_acceptance(law.log_prob, drift, x, y, h).numpy() < 0).any()


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
