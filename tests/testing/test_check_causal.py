"""`check_causal` on networks that are causal, and on the masks that get it wrong (CHECKS 37)."""

import numpy as np
import pytest

from tinygen import ops
from tinygen.nn import functional as F
from tinygen.tensor import Tensor
from tinygen.testing import check_causal

_rng = np.random.default_rng(0)
IMAGES = (_rng.random((2, 1, 4, 4)) < 0.5).astype(np.float64)
SERIES = _rng.normal(size=(2, 5, 3))


def masked_convolutions(kernel: int, layers: int, centre_open: bool = False, columns_first: bool = False):
    """A PixelCNN of plain masked convolutions: mask A, then B (van den Oord et al. 2016)."""
    rng = np.random.default_rng(1)
    flat = np.arange(kernel * kernel).reshape(kernel, kernel)
    if columns_first:
        flat = flat.T
    middle = kernel * kernel // 2
    weights = []
    for i in range(layers):
        channels = (3, 1 if i == 0 else 3)
        mask = flat < middle if i == 0 and not centre_open else flat <= middle
        weights.append(Tensor(rng.normal(size=(*channels, kernel, kernel)) * mask))

    def network(x):
        for w in weights:
            x = ops.tanh(F.conv2d(x, w, padding=kernel // 2))
        return x

    return network


def attention(mask):
    return lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=Tensor(mask))


def test_a_mask_as_large_as_the_image_sees_all_that_is_earlier():
    assert check_causal(masked_convolutions(kernel=7, layers=1), IMAGES)


def test_small_masks_in_several_layers_have_the_known_blind_spot():
    """From (i, j) a step to the right costs a step up: (1, 0) does not see (0, 2)."""
    network = masked_convolutions(kernel=3, layers=4)
    with pytest.raises(AssertionError, match=r"output \(1, 0\) does not see input \(0, 2\).*a blind spot"):
        check_causal(network, IMAGES)
    assert check_causal(network, IMAGES, complete=False)


def test_an_open_centre_in_mask_a():
    with pytest.raises(AssertionError, match=r"output \(0, 0\) sees itself input \(0, 0\).*mask A"):
        check_causal(masked_convolutions(kernel=3, layers=2, centre_open=True), IMAGES)


def test_a_transposed_mask():
    with pytest.raises(AssertionError, match=r"output \(0, 1\) sees the later input \(1, 0\).*mask is missing"):
        check_causal(masked_convolutions(kernel=3, layers=2, columns_first=True), IMAGES)


def test_causal_attention_sees_itself_and_all_before():
    network = lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)
    assert check_causal(network, SERIES, strict=False)
    with pytest.raises(AssertionError, match="output 0 sees itself input 0"):
        check_causal(network, SERIES)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.tri(5, k=1, dtype=bool), "output 0 sees the later input 1"),
        (np.triu(np.ones((5, 5), bool)), "output 0 sees the later input 1"),
        (np.tri(5, dtype=bool) & ~np.tri(5, k=-3, dtype=bool), "output 3 does not see input 0"),
    ],
    ids=["shifted", "transposed", "window"],
)
def test_wrong_masks_of_attention(mask, message):
    with pytest.raises(AssertionError, match=message):
        check_causal(attention(mask), SERIES, strict=False)


def test_tokens_need_no_gradient():
    table = Tensor(_rng.normal(size=(7, 2)))
    tokens = _rng.integers(0, 7, (2, 5))
    before = lambda x: ops.cumsum(table[np.asarray(x)], 1) - table[np.asarray(x)]
    assert check_causal(before, tokens)
    with pytest.raises(AssertionError, match="sees itself"):
        check_causal(lambda x: ops.cumsum(table[np.asarray(x)], 1), tokens)


def test_channels_in_order_within_a_pixel():
    """Axes (2, 3, 1): red, then green, then blue of each pixel."""
    x = _rng.normal(size=(2, 3, 2, 2))
    order = lambda z: np.moveaxis(np.asarray(z), 1, -1).reshape(2, -1)
    back = lambda z: np.moveaxis(z.reshape(2, 2, 2, 3), -1, 1)
    assert check_causal(lambda z: Tensor(back(order(z) @ np.triu(np.ones((12, 12)), 1))), x, axes=(2, 3, 1))


def test_one_way_of_reaching_an_input_is_enough():
    """A rectifier that no single change of the input opens is open from another start."""
    half_of_them = lambda x: ops.maximum(Tensor(np.asarray(x) @ np.triu(np.ones((6, 6)), 1) - np.arange(6) / 2), 0.0)
    assert check_causal(half_of_them, np.zeros((4, 6)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((lambda x: x, np.zeros((2, 3)), (0,)), ValueError, "from 1 to 1, found"),
        ((lambda x: x, np.zeros((2, 3), np.int64)), ValueError, "holds the value"),
        ((lambda x: x[:, :2], np.zeros((2, 3))), AssertionError, r"does not have the positions \(3,\)"),
        ((lambda x: Tensor(np.full((2, 3), np.nan)), np.ones((2, 3))), AssertionError, "not finite"),
        (
            (lambda x: Tensor(_rng.normal(size=(2, 3))), np.zeros((2, 3))),
            AssertionError,
            "other values when it is called again",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        check_causal(*arguments)
