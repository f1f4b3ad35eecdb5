"""The best discriminator: the ratio of probabilities, and what the game is worth there (CHECKS 23)."""

import math

import numpy as np
import pytest
from scipy.special import expit

from tinygen import truth

P, Q = np.array([0.1, 0.2, 0.3, 0.4, 0.0]), np.array([0.4, 0.1, 0.5, 0.0, 0.0])
LABELS = np.arange(5)
GAME = truth.DiscreteTable(P), truth.DiscreteTable(Q)


def value(d: np.ndarray) -> float:
    """V(D) = E_p log D + E_q log(1 - D)."""
    with np.errstate(divide="ignore"):
        return float((P[P > 0] * np.log(d[P > 0])).sum() + (Q[Q > 0] * np.log1p(-d[Q > 0])).sum())


def test_on_a_table_it_is_the_share_of_p():
    best = GAME[0].optimal_discriminator(GAME[1])(LABELS).numpy()
    np.testing.assert_allclose(best[:4], P[:4] / (P + Q)[:4], rtol=1e-12)
    assert best[4] == 0.5
    assert best[3] == 1


def test_the_game_is_worth_2_js_minus_log_4_and_any_other_player_loses_a_divergence():
    best = GAME[0].optimal_discriminator(GAME[1])(LABELS).numpy()
    m = (P + Q)[:4] / 2
    kl = [sum(a * math.log(a / b) for a, b in zip(law, m) if a) for law in (P[:4], Q[:4])]
    assert value(best) == pytest.approx(sum(kl) - math.log(4), rel=1e-12)
    other = np.array([0.3, 0.5, 0.6, 0.9, 0.5])
    bernoulli = sum(
        weight * sum(a * math.log(a / b) for a, b in ((s, d), (1 - s, 1 - d)) if a)
        for weight, s, d in zip((P + Q)[:4], best, other)
    )
    assert value(best) - value(other) == pytest.approx(bernoulli, rel=1e-10)


def test_between_two_gaussians_its_logit_is_the_log_ratio_however_far_away():
    p, q = truth.Gaussian([1.0, 0.0]), truth.Gaussian([-1.0, 0.0])
    x = np.array([[0.0, 3.0], [0.5, -1.0], [40.0, 0.0], [-400.0, 1.0]])
    np.testing.assert_allclose(p.optimal_discriminator(q)(x).numpy(), expit(2 * x[:, 0]), rtol=1e-12)


def test_off_the_board_neither_law_is_preferred():
    board = truth.checkerboard()
    d = board.optimal_discriminator(truth.two_moons())
    np.testing.assert_allclose(d([[0.5, -7.0], [0.5, 0.5]]).numpy()[0], 0)
    assert board.optimal_discriminator(board)([0.5, 2.5]).item() == 0.5


def test_laws_over_different_points_have_none():
    with pytest.raises(ValueError, match="not laws over the same points"):
        GAME[0].optimal_discriminator(truth.ring())
    with pytest.raises(ValueError, match="not laws over the same points"):
        truth.Gaussian([0.0]).optimal_discriminator(truth.ring())


def test_a_table_of_points_knows_them_and_nothing_else():
    law = truth.DiscreteTable([0.2, 0.8], [[0.0, 1.0], [2.0, 0.0]])
    np.testing.assert_allclose(np.exp(law.log_prob([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).numpy()), [0.8, 0.2, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.5, 0.5]],), r"probs must have shape \(K,\)"),
        (([0.5, 0.6],), "sum of probs must be 1"),
        (([0.5, 0.5], [[0.0], [1.0], [2.0]]), r"need points of shape \(2, D\), found \(3, 1\)"),
        (([0.5, 0.5], [[1.0], [1.0]]), "a point occurs twice"),
    ],
)
def test_what_cannot_be_a_table_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        truth.DiscreteTable(*arguments)
