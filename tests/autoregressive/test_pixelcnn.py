"""The PixelCNN as a model of images: what it is of, its units, its samples, what it refuses."""

import math

import numpy as np
import pytest

from tinygen.autoregressive.pixelcnn import PixelCNNConfig
from tinygen.data import Dataset
from tinygen.random import Generator

SMALL = {"width": 4, "layers": 2, "first": 3}


def build(shape=(1, 4, 4), classes=None, **options):
    return PixelCNNConfig(**SMALL | options).build(shape, classes, Generator(0))


def images(levels: int, n: int = 6) -> Dataset:
    stored = np.asarray(Generator(1).integers(0, levels, (n, 1, 4, 4))).astype(np.uint8)
    return Dataset("some", "test", "image", stored, np.arange(n) % 3, tuple("abc"), levels)


def test_grey_levels_are_kept_and_come_back():
    data, model = images(17), build(levels=17)
    k = model.observed(data.x, Generator(0))
    np.testing.assert_array_equal(k, data.stored[:, 0])
    np.testing.assert_allclose(model.images(k), data.x, atol=1e-6)


def test_fewer_levels_are_the_nearest_of_them():
    x = np.array([-1.0, -0.51, -0.49, 0.49, 0.51, 1.0], np.float32).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(build(levels=3).observed(x, Generator(0)).numpy().ravel(), [0, 0, 1, 1, 2, 2])


def test_binarising_once_gives_the_same_bits_each_time_and_dynamically_others():
    x, rng = images(17).x, Generator(0)
    for how, same in (("static", True), ("threshold", True), ("dynamic", False)):
        model = build(binarise=how)
        first, second = model.observed(x, rng), model.observed(x, rng)
        assert set(np.unique(first)) <= {0, 1}
        assert np.array_equal(first, second) == same


def test_the_likelihood_of_a_set_is_the_mean_of_its_images():
    data, model = images(2, 100), build(binarise="threshold")
    figures = model.evaluate(data, Generator(0))
    nats, unit = figures["negative log-likelihood"]
    expected = -np.mean([float(model.log_prob(data.batch(slice(i, i + 1)), Generator(0))[0]) for i in range(100)])
    assert nats == pytest.approx(expected, rel=1e-5)
    assert unit == "nats per image, exact; binarised, threshold"
    assert figures["bits per dimension"][0] == pytest.approx(nats / (16 * math.log(2)))


def test_samples_are_images_of_the_levels_and_a_class_changes_them():
    model = build(classes=3, levels=3, conditional=True)
    for parameter in model.parameters():
        parameter.data = parameter * 4.0
    x = model.sample(5, Generator(0)).numpy()
    assert x.shape == (5, 1, 4, 4)
    assert set(np.unique(x)) <= {-1.0, 0.0, 1.0}
    of = [model.sample(40, Generator(0), cond=label).numpy() for label in (0, 1)]
    assert (of[0] != of[1]).any()
    np.testing.assert_array_equal(of[0], model.sample(40, Generator(0), cond=np.zeros(40, np.int64)).numpy())


def test_completions_keep_the_upper_half():
    data, model = images(2), build(binarise="threshold")
    (rows,) = model.drawings(data, Generator(0))
    assert rows.images.shape == (4, 6, 1, 4, 4)
    for row in rows.images[1:]:
        np.testing.assert_array_equal(row[:, :, :2], rows.images[0][:, :, :2])


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"images of one channel \(1, H, W\), and the data has shape \(3, 4, 4\)"):
        build(shape=(3, 4, 4))
    with pytest.raises(ValueError, match=r"and the data has shape \(2,\)"):
        build(shape=(2,))
    with pytest.raises(ValueError, match="--conditional is for data with classes"):
        build(conditional=True)
    with pytest.raises(ValueError, match="binarise is dynamic, static, threshold, not 'no'"):
        build(binarise="no")
    with pytest.raises(ValueError, match="this pixelcnn is unconditional"):
        build(classes=3).sample(2, Generator(0), cond=1)
