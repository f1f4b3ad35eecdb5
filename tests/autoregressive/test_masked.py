"""Masked convolutions: `check_causal` tells a mask that is right from one that is not, and finds the blind spot."""

import numpy as np
import pytest

from tinygen import nn
from tinygen.autoregressive.masked import MaskedConv2d, raster_mask
from tinygen.random import Generator
from tinygen.testing import check_causal

X = np.asarray(Generator(1).normal((2, 1, 4, 4), "float64"))


def stack(first: str, layers: int = 7) -> nn.Module:
    rng = Generator(0)
    net = [MaskedConv2d(1, 4, 3, first, rng=rng)]
    for _ in range(layers):
        net += [nn.Tanh(), MaskedConv2d(4, 4, 3, "B", rng=rng)]
    return nn.Sequential(*net).to("float64")


def test_masks_of_an_example():
    np.testing.assert_array_equal(raster_mask(3, 3, False), [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(raster_mask(3, 5, True), [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]])


def test_a_stack_is_causal_but_not_complete():
    assert check_causal(stack("A"), X, complete=False)
    with pytest.raises(AssertionError, match="a blind spot of the mask"):
        check_causal(stack("A"), X)


def test_a_first_layer_with_an_open_centre_is_found():
    with pytest.raises(AssertionError, match=r"the first layer's mask must close the centre"):
        check_causal(stack("B"), X, complete=False)


def test_masks_and_sizes_there_are_not():
    with pytest.raises(ValueError, match="kernel_size is odd, not 4"):
        MaskedConv2d(1, 1, 4, "A", rng=Generator(0))
    with pytest.raises(ValueError, match=r"mask is A \(closes the centre\) or B, not 'C'"):
        MaskedConv2d(1, 1, 3, "C", rng=Generator(0))
