"""Layers against exact statements: adjoint convolutions (CHECKS 38), attention (41), the gradient penalty (29)."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.nn import functional as F
from tinygen.testing import check_adjoint

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (4, 2, 1), (3, 2, 0), ((2, 3), (1, 2), (0, 1))])
def test_a_transposed_layer_with_the_same_weight_is_the_adjoint(kernel, stride, padding):
    """CHECKS 38: <A x, y> = <x, A^T y>; the weight's layouts (out, in, ...) and (in, out, ...) are the same array."""
    down = nn.Conv2d(3, 5, kernel, stride, padding, bias=False, dtype="float64")
    up = nn.ConvTranspose2d(5, 3, kernel, stride, padding, bias=False, dtype="float64")
    up.weight = down.weight
    y = RNG.normal(size=(2, 5, 4, 3))
    x = RNG.normal(size=up(tg.tensor(y)).shape)
    assert check_adjoint(down, up, x, y)


@pytest.mark.parametrize("kernel", range(1, 7))
@pytest.mark.parametrize("stride", range(1, 4))
def test_the_overlap_of_a_transposed_convolution_is_uniform_iff_the_stride_divides_the_kernel(kernel, stride):
    """CHECKS 38: how many inputs reach each output, away from the border."""
    counts = F.conv_transpose2d(np.ones((1, 1, 9, 1)), np.ones((1, 1, kernel, 1)), stride=(stride, 1)).numpy().ravel()
    inside = counts[kernel : len(counts) - kernel]
    assert (np.ptp(inside) == 0) == (kernel % stride == 0)


def test_attention_averages_so_equal_values_come_out_as_they_went_in():
    """CHECKS 41: the weights of a row sum to 1."""
    q, k = RNG.normal(size=(2, 3, 4, 5)), RNG.normal(size=(2, 3, 6, 5))
    value = RNG.normal(size=(2, 3, 1, 7))
    y = F.scaled_dot_product_attention(q, k, np.broadcast_to(value, (2, 3, 6, 7))).numpy()
    np.testing.assert_allclose(y, np.broadcast_to(value, y.shape), rtol=1e-12)


def test_attention_weights_are_read_off_with_unit_vectors_as_values():
    """CHECKS 41: the fused form equals softmax(q k^T / sqrt(d)), row by row."""
    q, k = RNG.normal(size=(4, 5)), RNG.normal(size=(6, 5))
    weights = F.scaled_dot_product_attention(q, k, np.eye(6)).numpy()
    scores = np.exp(q @ k.T / np.sqrt(5))
    np.testing.assert_allclose(weights, scores / scores.sum(1, keepdims=True), rtol=1e-12)


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
