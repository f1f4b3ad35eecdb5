"""The model as the training room meets it."""

import numpy as np
import pytest

from tinygen.diffusion.ddpm import DDPM, DDPMConfig
from tinygen.random import Generator

TINY = {"timesteps": 8, "channels": 8, "multipliers": (1, 2), "heads": 2}


def build(shape=(1, 8, 8), **options) -> DDPM:
    return DDPMConfig(**{**TINY, **options}).build(shape, None, Generator(0))


def batch(n=4, shape=(1, 8, 8)):
    return {"x": np.random.default_rng(0).uniform(-1, 1, (n, *shape)).astype(np.float32)}


def test_an_untrained_network_predicts_no_noise_so_the_loss_is_the_noise_power():
    loss, terms = build().loss(batch(256), Generator(1))
    assert loss.shape == ()
    assert terms == {}
    assert loss.item() == pytest.approx(1.0, abs=5 * np.sqrt(2 / (256 * 64)))


def test_loss_and_samples_are_functions_of_the_generator():
    model = build()
    for draw in (lambda rng: model.loss(batch(), rng)[0], lambda rng: model.sample(2, rng)):
        np.testing.assert_array_equal(np.asarray(draw(Generator(5))), np.asarray(draw(Generator(5))))
        assert (np.asarray(draw(Generator(5))) != np.asarray(draw(Generator(6)))).any()


def test_samples_have_the_shape_and_range_of_the_data():
    x = np.asarray(build().sample(3, Generator(0)))
    assert x.shape == (3, 1, 8, 8)
    assert np.abs(x).max() <= 1.0


def test_points_get_a_perceptron():
    model = build(shape=(2,))
    assert model.sample(5, Generator(0)).shape == (5, 2)
    loss, _ = model.loss(batch(8, (2,)), Generator(0))
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_images_that_halve_less_often_get_fewer_resolutions():
    strides = {size: build(shape=(1, size, size), multipliers=(1, 2, 2)).net.stride for size in (7, 8, 12, 14, 28)}
    assert strides == {7: 1, 8: 2, 12: 2, 14: 2, 28: 4}


def test_it_takes_no_condition():
    with pytest.raises(ValueError, match="unconditional"):
        build().sample(1, Generator(0), cond=3)


def test_evaluation_reports_the_loss_and_the_bound():
    class Data:
        x = batch(600)["x"]

    figures = build().evaluate(Data, Generator(0))
    assert figures["L_simple"][0] == pytest.approx(1.0, abs=0.1)
    value, unit = figures["negative log-density, upper bound"]
    assert np.isfinite(value)
    assert unit == "nats per dimension"
