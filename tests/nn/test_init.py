"""Initial values: their laws, and that nothing is drawn from a hidden generator."""

import math

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.nn import init

N = 40_000
SD = 5  # standard errors allowed


def moments_are(values, mean, variance, kurtosis):
    """Mean and variance within 5 standard errors; kurtosis is that of the law."""
    n = values.size
    assert abs(values.mean() - mean) < SD * math.sqrt(variance / n)
    assert abs(values.var() - variance) < SD * variance * math.sqrt((kurtosis - 1) / n)


UNIFORM, NORMAL = 1.8, 3.0


@pytest.mark.parametrize(
    ("fill", "variance", "kurtosis"),
    [
        (lambda w, rng: init.kaiming_uniform_(w, rng=rng), 2 / 200, UNIFORM),
        (lambda w, rng: init.kaiming_uniform_(w, math.sqrt(5), rng=rng), 1 / (3 * 200), UNIFORM),
        (lambda w, rng: init.kaiming_normal_(w, 0.2, rng=rng), 2 / (1.04 * 200), NORMAL),
        (lambda w, rng: init.xavier_uniform_(w, 2.0, rng=rng), 4 * 2 / 400, UNIFORM),
        (lambda w, rng: init.xavier_normal_(w, rng=rng), 2 / 400, NORMAL),
        (lambda w, rng: init.normal_(w, 0.0, 0.02, rng=rng), 0.0004, NORMAL),
        (lambda w, rng: init.uniform_(w, -3.0, 3.0, rng=rng), 3.0, UNIFORM),
    ],
)
def test_variance_follows_the_fans(fill, variance, kurtosis):
    w = tg.empty(200, 200)
    assert fill(w, tg.random.Generator(0)) is w
    moments_are(w.numpy(), 0.0, variance, kurtosis)


def test_a_truncated_normal_has_the_truncated_variance():
    """CHECKS 32: variance 1 - 2 t phi(t) / (2 Phi(t) - 1)."""
    t = 1.5
    w = init.trunc_normal_(tg.empty(N // 4, dtype="float64"), 0.0, 1.0, -t, t, rng=tg.random.Generator(0)).numpy()
    assert np.abs(w).max() <= t
    density, mass = math.exp(-t * t / 2) / math.sqrt(2 * math.pi), math.erf(t / math.sqrt(2))
    moments_are(w, 0.0, 1 - 2 * t * density / mass, 2.2)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3, 3)], ids=str)
def test_an_orthogonal_weight_keeps_lengths(shape):
    w = init.orthogonal_(tg.empty(*shape, dtype="float64"), 2.0, rng=tg.random.Generator(0)).numpy()
    m = w.reshape(shape[0], -1)
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(gram, 4.0 * np.eye(len(gram)), atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda rng: nn.Linear(50, 400, rng=rng), 50),
        (lambda rng: nn.Conv2d(8, 100, 3, groups=2, rng=rng), 36),
        (lambda rng: nn.ConvTranspose2d(100, 8, 3, rng=rng), 72),
    ],
)
def test_linear_and_convolutional_layers_start_uniform_within_one_over_root_fan_in(layer, fan_in):
    made = layer(tg.random.Generator(3))
    bound = 1 / math.sqrt(fan_in)
    for p in (made.weight, made.bias):
        values = np.asarray(p)
        assert np.abs(values).max() <= bound
        moments_are(values, 0.0, bound**2 / 3, UNIFORM)


def test_the_other_layers_start_as_pytorchs():
    moments_are(np.asarray(nn.Embedding(200, 200, rng=tg.random.Generator(0)).weight), 0.0, 1.0, NORMAL)
    attention = nn.MultiheadAttention(64, 4, rng=tg.random.Generator(0))
    moments_are(np.asarray(attention.in_proj_weight), 0.0, 2 / (4 * 64), UNIFORM)
    assert not np.asarray(attention.in_proj_bias).any()
    assert not np.asarray(attention.out_proj.bias).any()
    for norm in (nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.LayerNorm(3), nn.InstanceNorm2d(3, affine=True)):
        np.testing.assert_array_equal(norm.weight.detach(), 1.0)
        np.testing.assert_array_equal(norm.bias.detach(), 0.0)


LAYERS = [
    lambda **k: nn.Linear(3, 4, **k),
    lambda **k: nn.Conv2d(3, 4, 3, **k),
    lambda **k: nn.ConvTranspose2d(3, 4, 3, **k),
    lambda **k: nn.Embedding(3, 4, **k),
    lambda **k: nn.MultiheadAttention(4, 2, **k),
]


@pytest.mark.parametrize("make", LAYERS)
def test_the_generator_decides_and_there_is_no_other(make):
    def weights(layer):
        return np.concatenate([np.ravel(np.asarray(p)) for p in layer.parameters()])

    np.testing.assert_array_equal(*(weights(make(rng=tg.random.Generator(5))) for _ in range(2)))
    assert not np.array_equal(weights(make(rng=tg.random.Generator(5))), weights(make(rng=tg.random.Generator(6))))
    assert not np.array_equal(weights(make()), weights(make()))
    assert {p.dtype.name for p in make(dtype="float64").parameters()} == {"float64"}
    with pytest.raises(TypeError, match=r"rng is a tg\.random\.Generator, not int"):
        make(rng=5)


def test_fans_need_two_dimensions():
    with pytest.raises(ValueError, match=r"two or more dimensions, found shape \(3,\)"):
        init.kaiming_uniform_(tg.empty(3), rng=tg.random.Generator(0))
