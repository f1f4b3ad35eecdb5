"""Precision and recall: 1 of equal sets, 0 of sets apart, a count where the balls can be drawn by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.metrics import neighbours
from tinygen.metrics.neighbours import precision_recall

RNG = np.random.default_rng(0)


@given(n=st.integers(5, 40), d=st.integers(1, 6), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_a_set_against_itself_has_precision_and_recall_1(n: int, d: int, scale: float) -> None:
    x = scale * (np.random.default_rng(n).normal(size=(n, d)) + 100)
    assert precision_recall(x, x) == (1.0, 1.0)


def test_sets_apart_have_0() -> None:
    x = RNG.normal(size=(50, 3))
    assert precision_recall(x, x + 100) == (0.0, 0.0)


def test_points_on_a_line_by_hand() -> None:
    """Data 0, 1, 3, 7 with k = 1: radii 1, 1, 2, 4, so the balls cover [-1, 2], [1, 5] and [3, 11]."""
    data = np.array([[0.0], [1.0], [3.0], [7.0]])
    samples = np.array([[-1.0], [-1.5], [11.0], [12.0], [2.5], [-50.0]])
    assert precision_recall(samples, data, k=1).precision == pytest.approx(3 / 6)  # borders included
    # the samples' radii are 0.5, 0.5, 1, 1, 3.5, 48.5: [-1, 6] and [-98.5, -1.5] and [10, 13] hold 0, 1 and 3
    assert precision_recall(samples, data, k=1).recall == pytest.approx(3 / 4)


def test_precision_and_recall_change_places_with_the_sets() -> None:
    x, y = RNG.normal(size=(60, 2)), RNG.normal(size=(40, 2)) * 2
    assert precision_recall(x, y) == precision_recall(y, x)[::-1]


def test_samples_of_one_mode_of_two_are_precise_and_reach_half() -> None:
    data = np.concatenate([RNG.normal(size=(200, 2)), RNG.normal(size=(200, 2)) + 50])
    found = precision_recall(RNG.normal(size=(400, 2)), data)
    assert found.precision > 0.9
    assert 0.4 < found.recall <= 0.5


def test_blocks_of_rows_leave_the_figures_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.normal(size=(60, 2)), RNG.normal(size=(40, 2))
    whole = precision_recall(x, y)
    monkeypatch.setattr(neighbours, "ROWS", 7)
    assert precision_recall(x, y) == whole


@pytest.mark.parametrize(("x", "y"), [((3, 2), (9, 2)), ((9, 2), (9, 3)), ((9,), (9,))])
def test_sets_that_do_not_fit_are_named(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"more than k=3 points \(n, d\) and \(m, d\) are needed, found \("):
        precision_recall(np.zeros(x), np.zeros(y))
