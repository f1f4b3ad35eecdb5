"""Sums on every thread: the definition's bits, in any layout and at any size; nothing is written but the sum."""

import numpy as np
import pytest

from tinygen.kernels.cpu import arithmetic as cpu

SHAPES = [(3,), (131_072,), (131_075,), (2, 64, 33, 40), (1, 140_000), (0, 4)]
ORDERS = ["as it is", "transposed", "one of each", "every second"]


def laid_out(rng, shape, order, place):
    if order == "transposed" or (order == "one of each" and place):
        return rng.normal(size=shape[::-1]).astype(np.float32).T
    if order == "every second":
        return rng.normal(size=(*shape, 2)).astype(np.float32)[..., 0]
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_numpy_s_bit_by_bit(shape, order):
    rng = np.random.default_rng(0)
    a, b = (laid_out(rng, shape, order, place) for place in range(2))
    before = a.copy(), b.copy()
    assert cpu.add_to(a, b) is a
    assert np.array_equal(a, before[0] + before[1])
    assert np.array_equal(b, before[1])


def test_a_view_s_surroundings_are_left_alone():
    whole = np.zeros((4, 200_000), np.float32)
    cpu.add_to(whole[1:3], np.ones((2, 200_000), np.float32))
    assert whole.sum() == 400_000
    assert not whole[0].any()
    assert not whole[3].any()
