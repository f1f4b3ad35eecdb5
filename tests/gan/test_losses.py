"""The losses over any two laws on few points; the closed forms are in tinygen/checks/gan/ (CHECKS 23 to 25)."""

import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.divergence import F_DIVERGENCES
from tinygen.gan.losses import LOSSES, Loss, least_squares, squash, unsquash
from tinygen.gan.variants import LossName
from tinygen.testing import gradcheck

POINTWISE = {name: loss for name, loss in LOSSES.items() if name != "wasserstein"}
every_loss = pytest.mark.parametrize("name", LOSSES)
every_pointwise = pytest.mark.parametrize("name", POINTWISE)


@st.composite
def laws(draw, n=5):
    """Two vectors of probabilities, every one above 0."""
    p, q = (np.array(draw(st.lists(st.floats(0.05, 1.0), min_size=n, max_size=n))) for _ in range(2))
    return p / p.sum(), q / q.sum()


def game(loss: Loss, p: np.ndarray, q: np.ndarray, logits: tg.Tensor) -> tg.Tensor:
    return (p * loss.real(logits)).sum() + (q * loss.fake(logits)).sum()


def test_the_command_line_offers_every_loss():
    assert set(typing.get_args(LossName)) == set(LOSSES)


@every_pointwise
@given(pair=laws(), seed=st.integers(0, 2**32 - 1))
def test_no_logits_are_better_than_the_stated_ones(name, pair, seed):
    p, q = pair
    loss = POINTWISE[name]
    best = loss.optimum(tg.tensor(p), tg.tensor(q))
    other = best + 2 * np.random.default_rng(seed).normal(size=len(p))
    assert game(loss, p, q, best).item() <= game(loss, p, q, other).item() + 1e-12


@every_pointwise
@given(pair=laws())
def test_equal_laws_are_the_generators_least(name, pair):
    """But for the reverse KL less 2 JS of `non-saturating`, and least squares, which may be negative elsewhere."""
    p, q = (tg.tensor(v) for v in pair)
    at_p, at_q = (POINTWISE[name].divergence(p, law).item() for law in (p, q))
    if name not in ("non-saturating", "least-squares"):
        assert at_q >= at_p - 1e-12
    assert at_p == pytest.approx({"saturating": -np.log(4), "gan": -np.log(4)}.get(name, 0.0), abs=1e-12)


@given(pair=laws(), seed=st.integers(0, 2**32 - 1))
def test_no_critic_of_slope_one_is_better_than_the_stated_one(pair, seed):
    p, q = pair
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(len(p), 2))
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    loss = LOSSES["wasserstein"]
    best = loss.optimum(*map(tg.tensor, (p, q, distance)))
    other = np.min(distance + rng.normal(size=len(p)), axis=1)  # the least of functions of slope 1 is one
    assert game(loss, p, q, best).item() <= game(loss, p, q, tg.tensor(other)).item() + 1e-12


def test_least_squares_with_minus_one_one_zero_has_no_first_order_pull_near_equal_laws():
    """What alternating steps descend there is of third order in p - q, though the value is Pearson's chi-squared."""
    p, away = tg.tensor(np.array([0.2, 0.3, 0.5])), np.array([0.1, -0.06, -0.04])
    for targets, order in (((-1.0, 1.0, 0.0), 3), ((0.0, 1.0, 1.0), 2)):
        far, near = (least_squares(*targets).divergence(p, p + h * away).item() for h in (1e-2, 1e-3))
        assert far / near == pytest.approx(10**order, rel=0.05)


@every_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_and_gradients_are_finite_where_a_player_has_won(name, dtype):
    v = tg.tensor(np.array([-1e4, -30.0, 0.0, 30.0, 1e4]), dtype=dtype, requires_grad=True)
    loss = LOSSES[name]
    for part in (loss.real, loss.fake, loss.generator):
        value = part(v)
        (slope,) = tg.grad(value.sum(), [v])
        assert np.isfinite(value.detach().numpy()).all()
        assert np.isfinite(slope.numpy()).all()
        assert value.dtype == slope.dtype == np.dtype(dtype)


@every_loss
def test_gradients(name):
    v = np.array([-25.0, -2.3, -0.4, 0.7, 3.1, 25.0]) if name != "hinge" else np.array([-2.3, 0.7, 3.1])
    loss = LOSSES[name]
    for part in (loss.real, loss.fake, loss.generator):
        assert gradcheck(part, v)


def test_squash_is_a_bijection_that_leaves_small_logits_alone():
    v = tg.tensor(np.array([-1e4, -21.0, -20.0, -3.0, 0.0, 19.0, 20.0, 25.0, 1e4]))
    w = squash(v).numpy()
    assert (np.diff(w) > 0).all()
    np.testing.assert_array_equal(w[2:7], v.numpy()[2:7])
    np.testing.assert_allclose(unsquash(tg.tensor(w)), v, rtol=1e-12)
    assert np.abs(w).max() < 30


@pytest.mark.parametrize("kind", F_DIVERGENCES, ids=lambda kind: kind.name)
def test_the_table_of_f_divergences_agrees_with_itself(kind):
    v, u = tg.tensor(np.linspace(-4, 4, 17)), tg.tensor(np.array([0.1, 0.8, 1.0, 3.0]))
    np.testing.assert_allclose(kind.dual(v), kind.conjugate(kind.activation(v)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(kind.activation(kind.logit(u)), kind.derivative(u), rtol=1e-12, atol=1e-14)
