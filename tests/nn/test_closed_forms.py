"""Penalties on gradients through every layer; through a linear critic: tinygen/checks/gan/restraints.py (CHECKS 29)."""

import numpy as np

import tinygen as tg
from tinygen import nn

RNG = np.random.default_rng(0)


def test_a_penalty_on_gradients_passes_through_every_layer():
    """Second order through convolution, normalisation, attention and activations: against differences in one weight."""
    rng = tg.random.Generator(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=rng, dtype="float64"),
        nn.GroupNorm(2, 4, silu=True, dtype="float64"),
        nn.AvgPool2d(2),
        nn.BatchNorm2d(4, dtype="float64"),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(4, 2, 4, 2, 1, rng=rng, dtype="float64"),
        nn.Tanh(),
        nn.Flatten(),
        nn.LayerNorm(128, dtype="float64"),
        nn.Linear(128, 1, rng=rng, dtype="float64"),
    )
    data = RNG.normal(size=(3, 1, 4, 4))

    def penalty():
        x = tg.tensor(data, requires_grad=True)
        (slope,) = tg.grad(net(x).sum(), x, create_graph=True)
        return (slope * slope).sum()

    penalty().backward()
    weight = net[0].weight
    found, start, h = weight.grad.numpy()[1, 0, 2, 1], np.array(weight), 1e-5
    values = []
    for sign in (1, -1):
        moved = start.copy()
        moved[1, 0, 2, 1] += sign * h
        weight._assign(moved)
        values.append(penalty().item())
    np.testing.assert_allclose(found, (values[0] - values[1]) / (2 * h), rtol=1e-5)
