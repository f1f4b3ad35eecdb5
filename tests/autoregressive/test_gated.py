"""The gated PixelCNN as a law, at sizes that Hypothesis chooses: normalised, causal, complete, exact."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygen as tg
from tinygen.autoregressive.gated import GatedPixelCNN
from tinygen.random import Generator
from tinygen.testing import check_causal, check_normalised
from tinygen.testing.normalisation import all_states

SIZES = st.fixed_dictionaries(
    {
        "first": st.sampled_from([3, 5, 7]),
        "size": st.sampled_from([3, 5]),
        "dilations": st.sampled_from([(1,), (1, 2), (2, 1, 3)]),
        "classes": st.sampled_from([0, 2]),
    }
)


def law(levels: int = 2, width: int = 4, layers: int = 3, **sizes: int) -> GatedPixelCNN:
    return GatedPixelCNN(levels, width, layers, **sizes, rng=Generator(0)).to("float64")


@settings(max_examples=10)
@given(grid=st.sampled_from([(1, 1), (2, 3), (3, 2), (1, 5)]), levels=st.integers(2, 3), sizes=SIZES)
def test_the_probabilities_of_all_grids_sum_to_one(grid, levels, sizes):
    model = law(levels, **sizes)
    for label in range(model.classes) if model.classes else [None]:
        assert check_normalised(
            lambda x, given=label: model.log_prob(x, model.condition(len(x), given)),
            all_states(grid, levels, np.int64),
        )


@settings(max_examples=6)
@given(grid=st.sampled_from([(4, 4), (3, 5), (5, 3)]), sizes=SIZES)
def test_each_entry_sees_all_before_it_and_nothing_else(grid, sizes):
    model, x = law(width=16, layers=5, **sizes), np.asarray(Generator(1).integers(0, 2, (2, *grid)))

    def logits(x: tg.Tensor) -> tg.Tensor:
        return model.logits(model.planes(x), model.condition(len(x))).permute(0, 2, 3, 1)

    assert check_causal(logits, x, axes=(1, 2))


def test_too_few_layers_are_a_blind_spot_too():
    model, x = law(layers=1), np.asarray(Generator(1).integers(0, 2, (2, 6, 6)))
    with pytest.raises(AssertionError, match="too few layers"):
        check_causal(lambda x: model.logits(model.planes(x)).permute(0, 2, 3, 1), x, axes=(1, 2))


def test_the_likelihood_is_the_sum_of_the_conditionals():
    model, x = law(3), np.asarray(Generator(2).integers(0, 3, (4, 3, 5)))
    table = tg.log_softmax(model.logits(model.planes(x)), 1).numpy()
    chosen = np.take_along_axis(table, x[:, None], 1).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(model.log_prob(x).numpy(), chosen, rtol=1e-12)


def test_dropout_is_of_training_alone():
    model, x = law(dropout=0.5), np.zeros((1, 3, 3), np.int64)
    assert float(model.log_prob(x)[0]) != float(model.log_prob(x)[0])
    model.eval()
    assert float(model.log_prob(x)[0]) == float(model.log_prob(x)[0])
    assert math.isfinite(float(model.log_prob(x)[0]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"levels": 1}, "levels is at least 2, not 1"),
        ({"width": 0}, "width is at least 1, not 0"),
        ({"layers": 0}, "layers is at least 1, not 0"),
        ({"first": 4}, "first is the size of a filter with a centre: 3, 5, 7 ..., not 4"),
        ({"size": 1}, "size is the size of a filter with a centre"),
        ({"dilations": ()}, r"dilations are numbers of at least 1, not \(\)"),
        ({"dilations": (1, 0)}, r"dilations are numbers of at least 1, not \(1, 0\)"),
        ({"dropout": 1.5}, "p is a probability from 0 to 1, not 1.5"),
    ],
)
def test_sizes_out_of_range_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        law(**change)


def test_what_is_no_grid_of_the_law_is_refused():
    model = law()
    with pytest.raises(ValueError, match=r"a batch of grids is \(N, H, W\), not of shape \(2, 1, 3, 3\)"):
        model.log_prob(np.zeros((2, 1, 3, 3), np.int64))
    with pytest.raises(IndexError, match="index 2 is outside 0 to 1"):
        model.log_prob(np.full((1, 3, 3), 2))
    with pytest.raises(TypeError, match="integers, not float64"):
        model.log_prob(np.zeros((1, 3, 3)))


def test_classes_are_given_where_the_law_takes_them_and_nowhere_else():
    with pytest.raises(ValueError, match="this pixelcnn is unconditional"):
        law().condition(3, 1)
    with pytest.raises(ValueError, match="classes are 0 to 1, found 2 to 2"):
        law(classes=2).condition(3, 2)
    np.testing.assert_array_equal(law(classes=2).condition(3).numpy(), [[1, 0], [0, 1], [1, 0]])
