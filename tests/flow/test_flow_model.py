"""Models of flows, as the training room meets them; densities are held by tinygen.checks.flow."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import tinygen as tg
from tinygen import data
from tinygen.checks.flow.cases import shaken
from tinygen.flow.affine import Affine
from tinygen.flow.glow import GlowConfig
from tinygen.flow.model import FlowModel
from tinygen.flow.nice import NICEConfig
from tinygen.flow.realnvp import RealNVPConfig
from tinygen.random import Generator
from tinygen.testing import check_inverse, check_log_det

SMALL = {
    "realnvp": RealNVPConfig(couplings=4, hidden=8, depth=1),
    "nice": NICEConfig(hidden=8),
    "glow": GlowConfig(steps_per_scale=2, hidden=8),
}
by_name = pytest.mark.parametrize("name", SMALL)
by_shape = pytest.mark.parametrize("shape", [(2,), (1, 4, 4)], ids=str)


def built(name, shape, by=0.2):
    """The model in float64, its parameters moved from where they start; actnorm has started."""
    model = SMALL[name].build(shape, None, Generator(0)).to("float64")
    model.flow(Generator(2).uniform((8, *shape), "float64"))
    return shaken(model, Generator(1), by)


@by_name
@by_shape
def test_the_whole_model_is_held_to_its_jacobian(name, shape):
    flow = built(name, shape).flow
    x = np.random.default_rng(0).uniform(0.1, 0.9, (2, *shape))
    assert check_log_det(flow, x)
    assert check_inverse(flow, x)


@by_name
@by_shape
def test_gradients_of_the_loss_reach_every_parameter(name, shape):
    model = built(name, shape)
    x = np.random.default_rng(0).uniform(-1, 1, (6, *shape)).astype(np.float32)
    loss, terms = model.loss({"x": x}, Generator(0))
    assert loss.shape == ()
    assert terms == {}
    loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert np.abs(np.asarray(parameter.grad)).max() > 0, parameter_name


def test_log_prob_of_a_stretched_normal_is_that_of_the_normal():
    flow = Affine((2,))
    flow.log_scale._assign(math.log(0.5))  # z = x / 2, so x has standard deviation 2
    x = np.array([[1.0, -3.0], [0.0, 0.5]])
    exact = (-0.5 * (x / 2) ** 2 - math.log(2) - 0.5 * math.log(2 * math.pi)).sum(1)
    np.testing.assert_allclose(np.asarray(FlowModel(flow, (2,)).to("float64").log_prob(tg.tensor(x))), exact, atol=1e-6)


@by_name
def test_samples_of_images_are_images_of_the_data_set(name):
    model = SMALL[name].build((1, 8, 8), 10, Generator(0))
    model.prepare(data.load("digits"))
    x = np.asarray(model.sample(3, Generator(0)))
    assert x.shape == (3, 1, 8, 8)
    k = (x + 1) * 8  # 17 levels
    np.testing.assert_allclose(k, np.rint(k), atol=1e-5)
    assert k.min() >= 0
    assert k.max() <= 16
    np.testing.assert_array_equal(x, np.asarray(model.sample(3, Generator(0))))


def test_images_of_any_size_that_the_masks_fit():
    for shape in [(1, 7, 7), (3, 12, 8), (1, 28, 28)]:
        model = RealNVPConfig(hidden=4, depth=1, scales=4).build(shape, None, Generator(0))
        assert model.sample(2, Generator(0)).shape == (2, *shape)


def test_evaluation_of_points_stands_beside_the_entropy():
    model = built("realnvp", (2,)).eval()
    x = np.random.default_rng(0).normal(size=(700, 2)).astype(np.float32)
    figures = model.evaluate(SimpleNamespace(x=x, entropy=1.5), Generator(0))
    with tg.no_grad():
        nll = -float(model.log_prob(tg.tensor(x.astype(np.float64))).mean())
    assert figures["negative log-likelihood"] == (pytest.approx(nll), "nats, exact")
    assert figures["above the entropy"][0] == pytest.approx(nll - 1.5)


def test_evaluation_of_images_is_in_bits_per_dimension():
    model = FlowModel(Affine((1, 2, 2)), (1, 2, 2), levels=4)
    x = np.full((5, 1, 2, 2), -1.0, np.float32)
    bits, unit = model.evaluate(SimpleNamespace(x=x, entropy=None), Generator(0))["bits per dimension"]
    u = np.asarray(Generator(0).uniform(x.shape, dtype="float64")) / 4
    nats = 0.5 * u**2 + 0.5 * math.log(2 * math.pi)
    assert bits == pytest.approx(nats.mean() / math.log(2) + 2, rel=1e-5)
    assert "upper bound" in unit


def test_the_data_sets_of_points_know_their_entropy():
    assert data.load("two_moons").entropy == pytest.approx(2.3939, abs=1e-3)
    assert data.load("digits").entropy is None


@by_name
def test_they_take_no_condition(name):
    with pytest.raises(ValueError, match="unconditional"):
        SMALL[name].build((2,), None, Generator(0)).sample(1, Generator(0), cond=3)


@pytest.mark.parametrize(
    ("config", "shape", "complaint"),
    [
        (RealNVPConfig(couplings=0), (2,), "couplings is at least 1, not 0"),
        (RealNVPConfig(margin=0.5), (1, 4, 4), "margin is at least 0 and less than 0.5, not 0.5"),
        (RealNVPConfig(), (1,), "couplings need points (D,) with D at least 2"),
        (NICEConfig(hidden=0), (2,), "hidden is at least 1, not 0"),
        (GlowConfig(scales=0), (1, 4, 4), "scales is at least 1, not 0"),
        (GlowConfig(), (1, 7, 7), "even height and width"),
    ],
)
def test_options_that_fit_nothing_are_refused_in_one_line(config, shape, complaint):
    with pytest.raises(ValueError) as found:  # noqa: PT011
        config.build(shape, None, Generator(0))
    assert complaint in str(found.value)
    assert "\n" not in str(found.value)
