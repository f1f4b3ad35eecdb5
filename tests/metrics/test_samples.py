"""Figures of samples by models whose answers are known: the data itself, the truth, one mode, wrong classes."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from tinygen import data
from tinygen.metrics.classifier import FEATURES, Seen, classifier_of, look
from tinygen.metrics.samples import draw, enough, feature_figures, halves, sample_figures
from tinygen.random import Generator

TRAINING, HELD_OUT = data.load("digits"), data.load("digits", "test")


class Copy:
    """Gives a data set's examples in order, or of the classes asked for, shifted by `wrong` classes."""

    def __init__(self, dataset: Any, classes: int = 0, wrong: int = 0):
        self.dataset, self.classes, self.wrong = dataset, classes, wrong
        self.asked: list[Any] = []
        self.given = 0

    def sample(self, n: int, rng: Generator, cond: Any = None) -> np.ndarray:
        self.asked.append(cond)
        if cond is None:
            self.given += n
            return self.dataset.x[np.arange(self.given - n, self.given) % len(self.dataset)]
        wanted = (np.asarray(cond) + self.wrong) % self.classes
        return np.stack([self.dataset.x[np.flatnonzero(self.dataset.y == k)[0]] for k in wanted])


class Drawing(Copy):
    """One that uses random numbers."""

    def sample(self, n: int, rng: Generator, cond: Any = None) -> np.ndarray:
        return super().sample(n, rng, cond) + 0.1 * rng.normal((n, *self.dataset.shape)).numpy()


def test_features_of_a_set_against_themselves_are_at_0_with_all_shares_1() -> None:
    rng = np.random.default_rng(0)
    seen = Seen(rng.normal(size=(100, FEATURES)), rng.integers(0, 10, 100))
    figures = feature_figures(seen, seen.labels, seen, seen.labels, seen)
    assert figures["Frechet distance of samples"][0] == pytest.approx(0, abs=1e-6)
    assert [figures[f"{name} of samples"][0] for name in ("precision", "recall", "label accuracy")] == [1, 1, 1]


def test_a_shift_of_the_features_is_its_square_and_apart_from_all() -> None:
    """Frechet: of equal covariances, |m1 - m2|^2."""
    rng = np.random.default_rng(0)
    features, shift = rng.normal(size=(100, FEATURES)), 30 * rng.normal(size=FEATURES)
    labels = np.zeros(100, np.int64)
    real, samples = Seen(features, labels), Seen(features + shift, labels + 1)
    figures = feature_figures(samples, labels, real, labels, real)
    assert figures["Frechet distance of samples"][0] == pytest.approx(shift @ shift, rel=1e-6)
    assert [figures[f"{name} of samples"][0] for name in ("precision", "recall", "label accuracy")] == [0, 0, 0]


def test_the_data_as_a_model_is_as_near_as_the_data_and_noise_is_not() -> None:
    figures = sample_figures(Copy(halves(TRAINING)[1]), TRAINING, HELD_OUT, 359, Generator(0))
    own, floor = (figures[f"Frechet distance of {what}"][0] for what in ("samples", "real data"))
    assert own == pytest.approx(floor, rel=0.5)
    assert figures["precision of samples"][0] > 0.8
    assert "label accuracy of samples" not in figures
    noise = dataclasses.replace(HELD_OUT, stored=np.random.default_rng(0).integers(0, 17, HELD_OUT.stored.shape))
    wrong = sample_figures(Copy(noise), TRAINING, HELD_OUT, 359, Generator(0))
    assert wrong["Frechet distance of samples"][0] > 10 * floor
    assert wrong["precision of samples"][0] < 0.1


@pytest.mark.parametrize(("wrong", "share"), [(0, 1.0), (1, 0.0)])
def test_a_classifier_reads_back_the_classes_asked_for(wrong: int, share: float) -> None:
    figures = sample_figures(Copy(TRAINING, 10, wrong), TRAINING, HELD_OUT, 150, Generator(0))
    assert figures["label accuracy of samples"][0] == share
    right = (look(classifier_of(halves(TRAINING)[0]), HELD_OUT.x).labels == HELD_OUT.y).mean()
    assert float(figures["label accuracy of samples"][1].split()[-1].rstrip("%")) == pytest.approx(100 * right, abs=2)


def test_classes_are_asked_for_as_often_as_the_data_has_them() -> None:
    model = Copy(TRAINING, 10)
    sample_figures(model, TRAINING, HELD_OUT, len(TRAINING), Generator(0))
    asked = np.concatenate(model.asked)
    assert np.array_equal(np.bincount(asked), np.bincount(TRAINING.y))


def test_drawing_in_parts_asks_for_each_label_once() -> None:
    model, labels = Copy(TRAINING, 10), np.arange(250) % 10
    assert draw(model, 250, Generator(0), labels).shape == (250, 1, 8, 8)
    assert np.array_equal(np.concatenate(model.asked), labels)


@pytest.mark.parametrize(("name", "modes"), [("ring8", 8), ("grid25", 25), ("two_moons", None)])
def test_the_truth_as_a_model_is_as_near_as_the_truth_and_finds_every_mode(name: str, modes: int | None) -> None:
    held_out = data.load(name, "test")
    figures = sample_figures(Copy(data.load(name)), held_out, held_out, enough(held_out), Generator(0))
    assert figures["sliced W1 of samples"][0] < 3 * figures["sliced W1 of the truth"][0]
    if modes is None:
        assert "modes found" not in figures
    else:
        assert figures["modes found"] == (modes, f"of {modes}, by 2500 samples")
        assert figures["samples at a mode"][0] == pytest.approx(1 - np.exp(-4.5), abs=0.01)


def test_one_point_for_all_is_far_and_finds_one_mode() -> None:
    held_out = data.load("ring8", "test")
    one = dataclasses.replace(held_out, stored=np.tile(np.float32([[1, 0]]), (50, 1)), y=None)
    figures = sample_figures(Copy(one), held_out, held_out, 500, Generator(0))
    assert figures["modes found"][0] == 1
    assert figures["sliced W1 of samples"][0] > 10 * figures["sliced W1 of the truth"][0]


def test_images_without_classes_have_no_figures_and_too_few_samples_are_named() -> None:
    unlabelled = dataclasses.replace(HELD_OUT, y=None, classes=())
    assert sample_figures(Copy(HELD_OUT), unlabelled, unlabelled, 100, Generator(0)) == {}
    with pytest.raises(ValueError, match="need at least 4 samples and held-out examples, found 2"):
        sample_figures(Copy(HELD_OUT), TRAINING, HELD_OUT, 2, Generator(0))


@pytest.mark.parametrize(
    ("name", "floor"), [("digits", "Frechet distance of real data"), ("ring8", "sliced W1 of the truth")]
)
def test_what_samples_are_compared_with_is_the_same_for_every_model(name: str, floor: str) -> None:
    training, held_out = data.load(name), data.load(name, "test")
    models = Copy(training), Copy(training, len(training.classes)), Drawing(held_out)
    found = [sample_figures(model, training, held_out, 200, Generator(0)) for model in models]
    assert len({figures[floor][0] for figures in found}) == 1


def test_halves_are_a_partition_that_never_changes() -> None:
    first, second = halves(TRAINING)
    together = np.concatenate([first.stored, second.stored]).reshape(len(TRAINING), -1)
    assert np.array_equal(np.sort(together, axis=0), np.sort(TRAINING.stored.reshape(len(TRAINING), -1), axis=0))
    assert abs(len(first) - len(second)) <= 1
    assert halves(TRAINING)[0].checksum == first.checksum
    assert np.array_equal(np.sort(np.concatenate([first.y, second.y])), np.sort(TRAINING.y))
