"""Encoders, decoders and the perceptron: shapes, and dependence on every input and parameter."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.nets.convolutional import ConvDecoder, ConvEncoder, resolutions
from tinygen.nets.mlp import MLP
from tinygen.random import Generator

COND = 3


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((8, 8), [(8, 8), (4, 4)]),
        ((28, 28), [(28, 28), (14, 14), (7, 7)]),
        ((64, 64), [(64, 64), (32, 32), (16, 16), (8, 8)]),
        ((7, 8), [(7, 8)]),
    ],
)
def test_sizes_halve_while_even_and_above_4(size, expected):
    assert resolutions(*size) == expected


def networks(shape, cond):
    rng = Generator(0)
    if len(shape) == 3:
        yield ConvEncoder(shape, 5, channels=4, cond=cond, rng=rng), shape, (5,)
        yield ConvDecoder(5, shape, channels=4, cond=cond, rng=rng), (5,), shape
    yield MLP(shape, (2, 3), (7,), cond, rng=rng), shape, (2, 3)


@pytest.mark.parametrize("cond", [0, COND])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (2, 6, 10), (2,)])
def test_shapes_fit_and_every_input_and_parameter_matters(shape, cond):
    for net, inputs, outputs in networks(shape, cond):
        x = tg.tensor(np.random.default_rng(0).normal(size=(4, *inputs)).astype(np.float32), requires_grad=True)
        condition = tg.tensor(np.eye(COND, dtype=np.float32)[[0, 1, 2, 0]], requires_grad=True) if cond else None
        y = net(x) if condition is None else net(x, condition)
        assert y.shape == (4, *outputs)
        (y**2).sum().backward()
        for value in [x, *net.parameters(), *([condition] if condition is not None else [])]:
            assert np.abs(np.asarray(value.grad)).max() > 0


def test_a_perceptron_without_hidden_layers_is_affine():
    net = MLP((3,), (2,), (), rng=Generator(0)).to("float64")
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3))
    middle = np.asarray(net(tg.tensor(0.25 * x + 0.75 * y)))
    np.testing.assert_allclose(middle, 0.25 * np.asarray(net(tg.tensor(x))) + 0.75 * np.asarray(net(tg.tensor(y))))
