"""Averaged weights: applied and taken back, resumed; the closed forms are in tinygen.checks.engine."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim


def network(seed):
    rng = tg.random.Generator(seed)
    net = nn.Sequential(nn.Linear(3, 4, rng=rng, dtype="float64"), nn.BatchNorm1d(4, dtype="float64"))
    return net


def test_decay_0_copies_and_decay_1_stays():
    net, target = network(0), network(1)
    copies, stays = optim.EMA(net, 0.0), optim.EMA(net, 1.0)
    before = np.array(net[0].weight)
    net.load_state_dict(target.state_dict())
    copies.update(), stays.update()
    np.testing.assert_array_equal(copies.state_dict()["0.weight"], target[0].weight.detach())
    np.testing.assert_array_equal(stays.state_dict()["0.weight"], before)
    with pytest.raises(ValueError, match="decay must be from 0 to 1"):
        optim.EMA(net, 1.5)


def test_the_model_has_the_average_within_the_block_and_its_own_bits_after():
    net, target = network(0), network(1)
    ema = optim.EMA(net, 0.5)
    start = np.array(net[0].weight)
    net.load_state_dict(target.state_dict())
    ema.update()
    own = {name: np.array(value) for name, value in net.state_dict().items()}
    with ema.applied() as averaged:
        assert averaged is net
        np.testing.assert_allclose(net[0].weight.detach(), (start + own["0.weight"]) / 2, rtol=1e-12)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, own[name])
    with pytest.raises(ZeroDivisionError), ema.applied():
        _ = 1 / 0
    np.testing.assert_array_equal(net[0].weight.detach(), own["0.weight"])


def test_the_average_is_a_state_of_the_model_and_resumes():
    net = network(0)
    ema = optim.EMA(net, 0.9)
    net.load_state_dict(network(1).state_dict())
    ema.update()
    network(2).load_state_dict(ema.state_dict())
    other = optim.EMA(net, 0.9)
    other.load_state_dict({name: np.array(value) for name, value in ema.state_dict().items()})
    ema.update(), other.update()
    for name, value in ema.state_dict().items():
        np.testing.assert_array_equal(value, other.state_dict()[name])
    with pytest.raises(ValueError, match=r"of another model: 0\.bias and 8 more"):
        other.load_state_dict(nn.Linear(2, 2).state_dict())


def test_the_model_may_be_given_at_each_update():
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    ema = optim.EMA(model, 0.0)
    ema.update(other)
    np.testing.assert_array_equal(ema.state_dict()["weight"].numpy(), other.weight.numpy())
