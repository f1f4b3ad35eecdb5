"""Couplings move what the mask leaves open and nothing else; masks are the paper's."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.checks.flow.cases import shaken
from tinygen.flow.coupling import AdditiveCoupling, AffineCoupling
from tinygen.flow.masks import alternating, checkerboard, half_channels
from tinygen.flow.squeeze import Squeeze
from tinygen.nets.coupling import coupling_net
from tinygen.random import Generator


def test_masks_of_opposite_parity_share_every_entry_between_them():
    pairs = [[alternating(5, p) for p in (0, 1)]]
    pairs += [[make((4, 2, 3), p) for p in (0, 1)] for make in (checkerboard, half_channels)]
    for first, second in pairs:
        np.testing.assert_array_equal(first + second, 1.0)
        assert first.flat[0] == 1.0


def test_neighbours_on_a_checkerboard_differ():
    mask = checkerboard((2, 4, 4))
    assert (mask[:, 1:] + mask[:, :-1] == 1).all()
    assert (mask[:, :, 1:] + mask[:, :, :-1] == 1).all()
    np.testing.assert_array_equal(mask[0], mask[1])


def test_half_of_the_channels_is_kept():
    np.testing.assert_array_equal(half_channels((4, 2, 2))[:, 0, 0], [1, 1, 0, 0])


@pytest.mark.parametrize(("kind", "factor"), [(AdditiveCoupling, 1), (AffineCoupling, 2)])
def test_what_is_kept_is_kept_and_the_rest_does_not_see_itself(kind, factor):
    shape = (2, 3, 3)
    mask = checkerboard(shape)
    flow = kind(mask, shaken(coupling_net(shape, factor, 8, 1, rng=Generator(0)), Generator(1))).to("float64")
    x = np.random.default_rng(0).normal(size=(1, *shape))
    y = np.asarray(flow(tg.tensor(x))[0])
    np.testing.assert_array_equal(y[0][mask == 1], x[0][mask == 1])
    assert (y[0][mask == 0] != x[0][mask == 0]).all()
    jacobian = np.asarray(tg.jacobian(lambda z: flow(z.reshape(1, *shape))[0].reshape(-1), tg.tensor(x.reshape(-1))))
    open_entries = np.flatnonzero(mask.reshape(-1) == 0)
    block = jacobian[np.ix_(open_entries, open_entries)]
    np.testing.assert_array_equal(block, np.diag(np.diag(block)))


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4)], ids=str)
def test_a_coupling_starts_as_the_identity(shape):
    mask = alternating(3) if len(shape) == 1 else checkerboard(shape)
    flow = AffineCoupling(mask, coupling_net(shape, 2, 8, 2, rng=Generator(0)))
    x = Generator(1).normal((2, *shape))
    y, log_det = flow(x)
    np.testing.assert_array_equal(np.asarray(y), np.asarray(x))
    np.testing.assert_array_equal(np.asarray(log_det), 0.0)


@pytest.mark.parametrize("mask", [np.ones(3), np.zeros(3), np.array([0.5, 1.0, 0.0])], ids=str)
def test_a_mask_that_leaves_nothing_to_do_is_refused(mask):
    with pytest.raises(ValueError, match="a mask of 0 and 1, with some of each, is needed"):
        AffineCoupling(mask, nn.Identity())


def test_squeeze_gathers_blocks_of_two_by_two():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    y = np.asarray(Squeeze()(tg.tensor(x))[0])
    for i in range(2):
        for j in range(2):
            np.testing.assert_array_equal(y[0, 2 * i + j], x[0, 0, i::2, j::2])


def test_squeeze_refuses_what_has_no_blocks():
    with pytest.raises(ValueError, match="even height and width"):
        Squeeze()(tg.tensor(np.zeros((1, 1, 3, 4))))
