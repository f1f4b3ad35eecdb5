"""Restraints of a critic on networks; the closed forms are in tinygen/checks/gan/restraints.py (CHECKS 29, 30, 32)."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.gan.networks import ConvDiscriminator, normalise_spectra
from tinygen.gan.penalties import clip_weights_, gradient_penalty, orthogonal_penalty, r1_penalty
from tinygen.nn.spectral_norm import convolution_norm
from tinygen.random import Generator

RNG = np.random.default_rng(0)


def critic():
    return ConvDiscriminator((1, 8, 8), 4, normalisation="none", rng=Generator(0)).to("float64")


def test_the_penalty_moves_every_weight_of_a_convolutional_critic_as_differences_say():
    net = critic()
    real, fake = (tg.tensor(RNG.normal(size=(3, 1, 8, 8))) for _ in range(2))
    for penalty in (lambda: gradient_penalty(net, real, fake, Generator(1)), lambda: r1_penalty(net, real)):
        weight = net.down[0].weight
        (slope,) = tg.grad(penalty(), [weight])
        start, h = weight.detach().numpy().copy(), 1e-5
        values = []
        for sign in (1, -1):
            moved = start.copy()
            moved[1, 0, 2, 1] += sign * h
            weight._assign(moved)
            values.append(penalty().item())
        weight._assign(start)
        assert slope.numpy()[1, 0, 2, 1] == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-4)


def test_an_example_has_a_penalty_of_its_own():
    """The penalty of two examples is the mean of theirs."""
    net = critic()
    x = tg.tensor(RNG.normal(size=(2, 1, 8, 8)))
    both = r1_penalty(net, x).item()
    assert both == pytest.approx(np.mean([r1_penalty(net, x[i : i + 1]).item() for i in range(2)]), rel=1e-12)


def test_a_critic_that_is_flat_costs_one_and_has_a_gradient():
    w = tg.tensor(np.zeros(3), requires_grad=True)
    x = tg.tensor(RNG.normal(size=(4, 3)))
    penalty = gradient_penalty(lambda x: (x * w).sum(1), x, x, Generator(0))
    assert penalty.item() == 1.0
    np.testing.assert_array_equal(tg.grad(penalty, [w])[0], np.zeros(3))


def test_clipping_is_in_place_and_entry_by_entry():
    w = nn.Parameter(np.array([-3.0, -0.01, 0.004, 5.0]))
    clip_weights_([w], 0.01)
    np.testing.assert_array_equal(w.detach(), [-0.01, -0.01, 0.004, 0.01])
    with pytest.raises(ValueError, match="clip_weights_: the bound must be above 0, not 0"):
        clip_weights_([w], 0)


def test_every_weight_of_a_spectrally_normalised_critic_has_norm_one():
    net = critic()
    normalise_spectra(net, Generator(0))
    for _ in range(60):
        net(tg.tensor(RNG.normal(size=(1, 1, 8, 8))))
    for layer in [*net.down, net.outward]:
        matrix = layer.weight.detach().numpy().reshape(len(layer.weight), -1)
        assert np.linalg.norm(matrix, 2) == pytest.approx(1.0, rel=1e-3)


def test_an_image_smaller_than_the_kernel_is_refused():
    with pytest.raises(ValueError, match=r"an image of \(2, 4\) is smaller than the kernel of \(3, 3\)"):
        convolution_norm(tg.ones(1, 1, 3, 3), (2, 4))


def test_a_convolution_counts_as_one_matrix():
    w = RNG.normal(size=(4, 2, 3, 3))
    flat = orthogonal_penalty(tg.tensor(w.reshape(4, 18)))
    assert orthogonal_penalty(tg.tensor(w)).item() == pytest.approx(flat.item(), rel=1e-12)
