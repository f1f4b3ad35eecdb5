"""The classifier: it reads digits, is a function of data and seed, and is trained once."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tinygen import data
from tinygen.data.locations import cache_folder
from tinygen.metrics import classifier as module
from tinygen.metrics.classifier import FEATURES, classifier_of, look

TRAINING, HELD_OUT = data.load("digits"), data.load("digits", "test")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three steps, and a cache of its own."""
    monkeypatch.setattr(module, "RECIPE", dataclasses.replace(module.RECIPE, steps=3))
    monkeypatch.setenv("TINYGEN_CACHE", str(tmp_path))
    return tmp_path / "classifiers"


def test_it_reads_held_out_digits() -> None:
    seen = look(classifier_of(TRAINING), HELD_OUT.x)
    assert (seen.labels == HELD_OUT.y).mean() > 0.95
    assert seen.features.shape == (len(HELD_OUT), FEATURES)


def test_it_is_kept_and_read_again(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = look(classifier_of(TRAINING), HELD_OUT.x).features
    (path,) = short.iterdir()
    monkeypatch.setattr(module, "_train", lambda *_: pytest.fail("it was trained again"))
    assert np.array_equal(look(classifier_of(TRAINING), HELD_OUT.x).features, first)
    assert path.name.startswith("digits-")


def test_it_is_a_function_of_data_and_seed(short: Path) -> None:
    again = []
    for seed in (0, 0, 1):
        again.append(look(classifier_of(TRAINING, seed), HELD_OUT.x).features)
        for path in short.iterdir():
            path.unlink()
    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2])
    classifier_of(TRAINING)
    classifier_of(dataclasses.replace(TRAINING, stored=TRAINING.stored[:500], y=TRAINING.y[:500]))
    assert len(list(short.iterdir())) == 2


def test_a_damaged_file_is_trained_again_and_a_cache_that_cannot_be_written_costs_only_time(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = look(classifier_of(TRAINING), HELD_OUT.x).features
    (path,) = short.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert np.array_equal(look(classifier_of(TRAINING), HELD_OUT.x).features, first)
    (short.parent / "file").write_text("no folder")
    monkeypatch.setenv("TINYGEN_CACHE", str(short.parent / "file"))
    assert np.array_equal(look(classifier_of(TRAINING), HELD_OUT.x).features, first)


def test_what_it_cannot_learn_is_named() -> None:
    with pytest.raises(ValueError, match="learns images of at least 2 classes; two_moons has points"):
        classifier_of(data.load("two_moons"))
    with pytest.raises(ValueError, match="digits has no labels"):
        classifier_of(dataclasses.replace(TRAINING, y=None))
    assert cache_folder().parts  # nothing was written for them
