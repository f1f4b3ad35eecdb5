"""Ancestral sampling: what is kept between steps gives the logits of the whole pass, and rows that are given stay."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.autoregressive.ancestral import ancestral
from tinygen.autoregressive.gated import GatedPixelCNN
from tinygen.random import Generator


@settings(max_examples=10)
@given(
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    levels=st.integers(2, 4),
    layers=st.integers(1, 3),
    first=st.sampled_from([3, 5, 7]),
    size=st.sampled_from([3, 5]),
    dilations=st.sampled_from([(1,), (2, 1), (3,)]),
    classes=st.sampled_from([0, 3]),
)
def test_the_logits_on_the_way_are_those_of_the_whole_pass(grid, levels, layers, first, size, dilations, classes):
    model = GatedPixelCNN(levels, 4, layers, first, size, dilations, classes, rng=Generator(0)).to("float64")
    cond, read, seen = model.condition(3), model.read, []

    def watched(h):
        seen.append(read(h))
        return seen[-1]

    model.read = watched
    x = ancestral(model, 3, grid, Generator(1), cond)
    del model.read
    on_the_way = np.stack([np.asarray(logits)[:, :, 0, 0] for logits in seen], axis=-1).reshape(3, levels, *grid)
    np.testing.assert_allclose(on_the_way, np.asarray(model.logits(model.planes(x), cond)), atol=1e-12)


def test_rows_that_are_given_stay_and_the_others_follow_from_them():
    model = GatedPixelCNN(2, 4, 2, rng=Generator(0))
    for parameter in model.parameters():
        parameter.data = parameter * 4.0
    above = np.asarray(Generator(2).integers(0, 2, (50, 2, 4)))
    x = ancestral(model, 50, (5, 4), Generator(1), above=above)
    np.testing.assert_array_equal(x[:, :2], above)
    other = ancestral(model, 50, (5, 4), Generator(1), above=1 - above)
    assert (x[:, 2:] != other[:, 2:]).any()


def test_the_same_seed_gives_the_same_grids():
    model = GatedPixelCNN(3, 4, 2, rng=Generator(0))
    first, again, other = (ancestral(model, 4, (3, 3), Generator(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.dtype == np.int64
