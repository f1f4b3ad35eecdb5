"""Normalisation layers: what is invariant, second gradients, and how running statistics move."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.nn import functional as F
from tinygen.testing import gradcheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6, 3, 2)) * 3 + 1

NORMS = [  # function, the axes its statistics run over
    (lambda x: F.batch_norm(x, None, None, training=True, eps=0.0), (0, 2, 3)),
    (lambda x: F.instance_norm(x, eps=0.0), (2, 3)),
    (lambda x: F.layer_norm(x, (3, 2), eps=0.0), (2, 3)),
    (lambda x: F.group_norm(x, 1, eps=0.0), (1, 2, 3)),
]


@pytest.mark.parametrize(("norm", "axes"), NORMS)
def test_the_result_has_mean_0_and_variance_1_whatever_the_scale_and_shift(norm, axes):
    y = norm(X).numpy()
    np.testing.assert_allclose(y.mean(axes), 0.0, atol=1e-12)
    np.testing.assert_allclose(y.var(axes), 1.0, atol=1e-12)
    np.testing.assert_allclose(norm(7.0 * X + 2.0).numpy(), y, atol=1e-10)


@pytest.mark.parametrize(("norm", "axes"), NORMS)
def test_gradients_of_gradients_know_that_the_deviation_depends_on_the_input(norm, axes):
    assert gradcheck(norm, X[:2, :2], order=2)


def test_rms_norm_has_mean_square_1():
    y = F.rms_norm(X, (3, 2), eps=0.0).numpy()
    np.testing.assert_allclose((y * y).mean((2, 3)), 1.0)


def test_running_statistics_move_by_the_momentum_towards_mean_and_unbiased_variance():
    layer = nn.BatchNorm2d(6, momentum=0.3, dtype="float64")
    layer(tg.tensor(X))
    np.testing.assert_allclose(layer.running_mean, 0.3 * X.mean((0, 2, 3)))
    np.testing.assert_allclose(layer.running_var, 0.7 + 0.3 * X.var((0, 2, 3), ddof=1))
    assert int(layer.num_batches_tracked) == 1
    layer.eval()(tg.tensor(X))
    assert int(layer.num_batches_tracked) == 1


def test_without_momentum_running_statistics_are_the_plain_average():
    layer = nn.BatchNorm1d(2, momentum=None, dtype="float64")
    batches = RNG.normal(size=(5, 7, 2))
    for batch in batches:
        layer(tg.tensor(batch))
    np.testing.assert_allclose(layer.running_mean, batches.mean((0, 1)))
    np.testing.assert_allclose(layer.running_var, batches.var(1, ddof=1).mean(0))


def test_out_of_training_an_example_does_not_see_its_batch():
    layer = nn.BatchNorm2d(6, dtype="float64")
    layer(tg.tensor(X))
    layer.eval()
    whole, alone = layer(tg.tensor(X)).detach().numpy(), layer(tg.tensor(X[1:2])).detach().numpy()
    np.testing.assert_allclose(whole[1:2], alone, rtol=1e-12)
    np.testing.assert_allclose(
        alone,
        (X[1:2] - np.asarray(layer.running_mean).reshape(1, 6, 1, 1))
        / np.sqrt(np.asarray(layer.running_var).reshape(1, 6, 1, 1) + layer.eps),
        rtol=1e-12,
    )


def test_running_statistics_may_be_plain_arrays():
    mean, var = np.zeros(6), np.ones(6)
    F.batch_norm(X, mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose(mean, X.mean((0, 2, 3)))
    np.testing.assert_allclose(var, X.var((0, 2, 3), ddof=1))


def test_silu_is_fused_into_group_norm():
    layer, plain = nn.GroupNorm(3, 6, silu=True, dtype="float64"), nn.GroupNorm(3, 6, dtype="float64")
    np.testing.assert_allclose(layer(tg.tensor(X)).detach(), F.silu(plain(tg.tensor(X))).detach(), atol=1e-12)


@pytest.mark.parametrize(
    ("slope", "function"), [(0.0, F.relu), (0.2, lambda x: F.leaky_relu(x, 0.2)), (1.0, tg.positive)]
)
@pytest.mark.parametrize("training", [True, False])
def test_a_rectifier_is_fused_into_batch_norm(slope, function, training):
    """Values and gradients; the running statistics are those of what is normalised."""
    fused, plain = (nn.BatchNorm2d(6, dtype="float64").train(training) for _ in range(2))
    cotangent = RNG.normal(size=X.shape)
    x, other = (tg.tensor(X, requires_grad=True) for _ in range(2))
    fused_parameters, parameters = (list(layer.parameters()) for layer in (fused, plain))
    y, z = fused(x, negative_slope=slope), function(plain(other))
    np.testing.assert_allclose(y.detach(), z.detach(), atol=1e-12)
    gradients = tg.grad((y * cotangent).sum(), [x, *fused_parameters])
    for found, expected in zip(gradients, tg.grad((z * cotangent).sum(), [other, *parameters]), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    for found, expected in zip(fused.buffers(), plain.buffers(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_does_not_fit_is_said_in_one_line():
    x = tg.ones(2, 6, 3, 3)
    with pytest.raises(ValueError, match=r"batch_norm: negative_slope is from 0 to 1, not 1\.5"):
        nn.BatchNorm2d(6)(x, negative_slope=1.5)
    with pytest.raises(ValueError, match=r"more than one value per channel .* \(1, 6\)"):
        nn.BatchNorm1d(6)(tg.ones(1, 6))
    with pytest.raises(ValueError, match=r"BatchNorm2d: x must be \(N, C, H, W\) with C=4, found \(2, 6, 3, 3\)"):
        nn.BatchNorm2d(4)(x)
    with pytest.raises(ValueError, match="out of training it needs running_mean"):
        F.batch_norm(x, None, None)
    with pytest.raises(ValueError, match="running_mean and running_var come together, found running_mean alone"):
        F.batch_norm(x, tg.zeros(6), None, training=True)
    with pytest.raises(ValueError, match="group_norm: 6 channels cannot be divided into 4 equal groups"):
        F.group_norm(x, 4)
    with pytest.raises(ValueError, match="num_groups=4 must divide num_channels=6"):
        nn.GroupNorm(4, 6)
    with pytest.raises(ValueError, match=r"group_norm: weight must have shape \(6,\), found \(5,\)"):
        F.group_norm(x, 2, tg.ones(5))
    with pytest.raises(ValueError, match=r"normalized_shape=\(4,\) must be the last sizes of x"):
        nn.LayerNorm(4)(x)
    with pytest.raises(TypeError, match="float32 and float64 are mixed"):
        F.layer_norm(x, 3, tg.ones(3, dtype="float64"))
    with pytest.raises(ValueError, match="more than one value per channel"):
        F.instance_norm(tg.ones(2, 3, 1, 1))
