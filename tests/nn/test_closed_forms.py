"""Penalties on gradients: through a linear critic (CHECKS 29), and through every layer."""

import numpy as np

import tinygen as tg
from tinygen import nn

RNG = np.random.default_rng(0)


def test_the_gradient_penalty_of_a_linear_critic():
    """CHECKS 29: (|w| - 1)^2, with gradient 2 (|w| - 1) w / |w|, by double backward."""
    critic = nn.Linear(6, 1, rng=tg.random.Generator(0), dtype="float64")
    x = tg.tensor(RNG.normal(size=(5, 6)), requires_grad=True)
    (slope,) = tg.grad(critic(x).sum(), x, create_graph=True)
    penalty = ((tg.linalg.norm(slope, axis=1) - 1.0) ** 2).mean()
    penalty.backward()
    w = critic.weight.detach().numpy()
    length = np.linalg.norm(w)
    np.testing.assert_allclose(penalty.item(), (length - 1) ** 2, rtol=1e-12)
    np.testing.assert_allclose(critic.weight.grad, 2 * (length - 1) * w / length, rtol=1e-12)


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
