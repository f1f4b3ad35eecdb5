"""The ranks' rows of a draw are together what one process draws, and leave the stream where it leaves it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import parallel
from tinygen.parallel.communicator import Alone
from tinygen.parallel.generator import OwnRows
from tinygen.parallel.step import Share
from tinygen.random import Generator

LAWS = {
    "normal": lambda rng, shape: rng.normal(shape),
    "normal in float64": lambda rng, shape: rng.normal(shape, "float64"),
    "uniform": lambda rng, shape: rng.uniform(shape),
    "bernoulli": lambda rng, shape: rng.bernoulli(0.4, shape),
    "integers": lambda rng, shape: rng.integers(-3, 9, shape),
}
EVERY_LAW = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
SIZES = st.integers(1, 5)


def views(ranks: int, rows: int, seed: int = 0, before: int = 0) -> list[OwnRows]:
    """What each rank draws from, at a place that need not begin a block of the stream."""
    wholes = [Generator(seed) for _ in range(ranks)]
    for rng in wholes:
        rng.normal(before)
    return [OwnRows(rng, Share(Alone(rank, ranks), rows)) for rank, rng in enumerate(wholes)]


@EVERY_LAW
@given(
    ranks=SIZES, rows=SIZES, inner=st.lists(st.integers(0, 3), max_size=2), before=SIZES, seed=st.integers(0, 2**64 - 1)
)
def test_rows_of_all_ranks_are_the_draw_of_one_process(law, ranks, rows, inner, before, seed):
    whole = Generator(seed)
    whole.normal(before)
    for _ in range(2):
        expected = np.asarray(law(whole, (ranks * rows, *inner)))
    own = views(ranks, rows, seed, before)
    for _ in range(2):
        drawn = [np.asarray(law(rng, (rows, *inner))) for rng in own]
    np.testing.assert_array_equal(np.concatenate(drawn), expected)
    assert {rng.counter for rng in own} == {whole.counter}
    assert own[-1].state == whole.state


@EVERY_LAW
@given(ranks=SIZES, rows=SIZES, samples=st.lists(SIZES, min_size=1, max_size=2), inner=SIZES)
def test_along_another_axis_too(law, ranks, rows, samples, inner):
    """Also where there are as many samples as rows, so that shapes alone would not tell."""
    axis, whole = len(samples), Generator(3)
    expected = np.asarray(law(whole, (*samples, ranks * rows, inner)))
    own = views(ranks, rows, 3)
    drawn = [np.asarray(law(parallel.along(rng, axis), (*samples, rows, inner))) for rng in own]
    np.testing.assert_array_equal(np.concatenate(drawn, axis), expected)
    assert {rng.counter for rng in own} == {whole.counter}


def test_common_draws_are_the_same_on_all_ranks_and_those_of_one_process():
    whole, own = Generator(1), views(3, 2, 1)
    assert {tuple(parallel.common(rng).permutation(9).numpy()) for rng in own} == {tuple(whole.permutation(9).numpy())}
    assert {rng.counter for rng in own} == {whole.counter}


def test_children_draw_rows_of_the_children():
    (child,) = Generator(5).split(1)
    expected = child.normal(6).numpy()
    drawn = [rng.split(1)[0].normal(2).numpy() for rng in views(3, 2, 5)]
    np.testing.assert_array_equal(np.concatenate(drawn), expected)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (), (8,)])
def test_a_draw_that_does_not_say_whose_it_is_raises(shape):
    for draw in (lambda rng: rng.normal(shape), lambda rng: rng.integers(0, 5, shape)):
        with pytest.raises(ValueError, match=r"its axis 0 would be 4\. parallel\.along.*parallel\.common"):
            draw(views(2, 4)[1])


def test_a_permutation_must_say_of_what():
    with pytest.raises(ValueError, match=r"parallel\.common\(rng\) gives the same to all"):
        views(2, 4)[0].permutation(4)


def test_without_ranks_nothing_is_wrapped():
    rng = Generator(0)
    assert parallel.own_rows(rng) is parallel.along(rng, 1) is parallel.common(rng) is rng
