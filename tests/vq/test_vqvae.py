"""The VQ-VAE: shapes, what is counted and in what units, what is refused."""

import math

import numpy as np
import pytest

from tinygen.data import Dataset
from tinygen.drawing import Bars, ImageRows
from tinygen.random import Generator
from tinygen.vq.vqvae import VQVAEConfig

SMALL = {"codes": 5, "width": 3, "hidden": 4, "prior_width": 4, "prior_layers": 2}


def build(shape=(1, 8, 8), classes=None, **options):
    return VQVAEConfig(**SMALL | options).build(shape, classes, Generator(0))


def images(n: int = 30, shape=(1, 8, 8)) -> Dataset:
    stored = np.asarray(Generator(1).integers(0, 17, (n, *shape))).astype(np.uint8)
    return Dataset("some", "test", "image", stored, np.arange(n) % 3, tuple("abc"), 17)


@pytest.mark.parametrize(
    ("shape", "halvings", "grid"),
    [((1, 8, 8), None, (4, 4)), ((1, 28, 28), None, (7, 7)), ((3, 16, 8), 2, (4, 2)), ((1, 7, 9), None, (7, 9))],
)
def test_images_become_grids_of_codes_and_images_again(shape, halvings, grid):
    model = build(shape, halvings=halvings)
    codes = model.autoencoder.codes(Generator(0).normal((2, *shape)))
    assert model.grid == grid
    assert codes.shape == (2, *grid)
    assert codes.min() >= 0
    assert codes.max() < 5
    assert model.autoencoder.decode(codes).shape == (2, *shape)
    assert model.sample(3, Generator(0)).shape == (3, *shape)


def test_the_figures_are_those_of_their_definitions():
    model, data = build(classes=3).eval(), images()
    figures = model.evaluate(data, Generator(0))
    codes = model.autoencoder.codes(data.x)
    back = model.autoencoder.decode(codes).numpy()
    assert figures["reconstruction"][0] == pytest.approx(((data.x - back) ** 2).sum(axis=(1, 2, 3)).mean(), rel=1e-5)
    assert figures["codes used"] == (float(len(np.unique(codes))), "of 5")
    shares = np.bincount(codes.ravel(), minlength=5) / codes.size
    entropy = -sum(p * math.log(p) for p in shares if p)
    assert figures["perplexity of the codes"][0] == pytest.approx(math.exp(entropy))
    law = model.prior.law
    nats = -float(law.log_prob(codes, law.condition(30, data.y)).mean())
    assert figures["prior, negative log-likelihood"][0] == pytest.approx(nats, rel=1e-5)
    assert figures["prior, bits per code"] == (
        pytest.approx(nats / 16 / math.log(2)),
        "bits; 2.32 if all were equally likely",
    )


def test_a_report_shows_reconstructions_and_how_often_codes_are_used():
    rows, bars = build(classes=3).drawings(images(), Generator(0))
    assert isinstance(rows, ImageRows)
    assert rows.images.shape == (2, 12, 1, 8, 8)
    assert isinstance(bars, Bars)
    assert bars.heights.sum() == pytest.approx(1.0)
    assert bars.references == {"1/K": 0.2}


def test_a_class_is_taken_where_the_data_has_classes():
    with pytest.raises(ValueError, match="classes are 0 to 2, found 3 to 3"):
        build(classes=3).sample(2, Generator(0), cond=3)
    with pytest.raises(ValueError, match="unconditional"):
        build().sample(2, Generator(0), cond=0)


@pytest.mark.parametrize(
    ("shape", "options", "says"),
    [
        ((2,), {}, r"vqvae is for images \(C, H, W\), and the data has shape \(2,\)"),
        ((1, 8, 8), {"hidden": 0}, "hidden is at least 1, not 0"),
        ((1, 8, 8), {"codes": 1}, "levels is at least 2, not 1"),
        ((1, 8, 8), {"halvings": 4}, "halvings 4 does not divide images of 8 x 8"),
        ((1, 8, 8), {"halvings": -1}, "halvings -1 does not divide images of 8 x 8"),
        ((1, 8, 8), {"beta": -1.0}, r"beta is at least 0, not -1.0"),
        ((1, 8, 8), {"decay": 1.0}, "decay is at least 0 and less than 1"),
        ((1, 8, 8), {"prior_share": 1.0}, "prior_share is between 0 and 1, not 1.0"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(shape, options, says):
    with pytest.raises(ValueError, match=says):
        build(shape, **options)
