"""A small convolutional classifier that the project trains itself on a data set's labels: its features measure samples.

The features are the 64 activations before the last layer, where Inception's stand in the "Frechet Inception distance"
(Heusel et al. 2017): of digits they know more than a network made for photographs, and they depend on nothing but the
data set and a seed. So these figures compare models of one data set with each other, and with no published ones.

Recipe: Adam 1e-3, averaged weights; the first use takes seconds on digits and a minute or two on MNIST, later ones read
the weights from the cache folder. Held by tests/metrics/test_classifier.py.
"""

import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tinygen import nn
from tinygen.autodiff.tape import no_grad
from tinygen.data import Dataset, Loader
from tinygen.data.locations import cache_folder
from tinygen.learner import SingleLearner
from tinygen.nets.convolutional import ConvEncoder
from tinygen.nn import functional as F
from tinygen.ops.elementwise import silu
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.state import load, save
from tinygen.tensor import Tensor

FEATURES = 64
RECIPE = Recipe(steps=1000, batch_size=128, lr=1e-3, ema_decay=0.99, warmup=50)
AT_ONCE = 500


class Classifier(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to the logits of their classes, by way of features."""

    def __init__(self, shape: tuple[int, ...], classes: int, rng: Generator):
        super().__init__()
        self.encoder = ConvEncoder(shape, FEATURES, rng=rng)
        self.outward = nn.Linear(FEATURES, classes, rng=rng)

    def features(self, x: Tensor) -> Tensor:
        """(N, FEATURES) for images (N, C, H, W)."""
        return silu(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        """The logits (N, classes) of images (N, C, H, W)."""
        return self.outward(self.features(x))

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The cross-entropy of a batch of images and labels, and no further terms."""
        return F.cross_entropy(self(Tensor(batch["x"])), Tensor(batch["y"])), {}


class Seen(NamedTuple):
    """What a classifier makes of images."""

    features: npt.NDArray[np.float64]
    """(n, FEATURES)."""
    labels: npt.NDArray[np.int64]
    """(n,), the class of the greatest logit."""


def look(classifier: Classifier, images: npt.NDArray) -> Seen:
    """The features and the classes of images (n, C, H, W) in [-1, 1]."""
    features, labels = [], []
    with no_grad():
        for start in range(0, len(images), AT_ONCE):
            found = classifier.features(Tensor(np.ascontiguousarray(images[start : start + AT_ONCE], np.float32)))
            features.append(np.asarray(found, np.float64))
            labels.append(np.asarray(classifier.outward(found)).argmax(axis=1))
    return Seen(np.concatenate(features), np.concatenate(labels))


def classifier_of(dataset: Dataset, seed: int = 0) -> Classifier:
    """The classifier trained on `dataset`, its training split: from the cache, or trained now and put there.

    Raises:
        ValueError: examples that are no images, or have no classes.
    """
    if dataset.kind != "image" or dataset.y is None or len(dataset.classes) < 2:
        raise ValueError(f"a classifier learns images of at least 2 classes; {dataset.name} has {_lacks(dataset)}")
    path = _cached(dataset, seed)
    initial, order, noise = Generator(seed).split(3)
    model = Classifier(dataset.shape, len(dataset.classes), initial)
    with suppress(OSError, ValueError, KeyError):  # no such file, or a damaged one, which is trained again
        model.load_state_dict(load(path))
        return model
    _train(model, dataset, order, noise)
    with suppress(OSError):  # a cache that cannot be written only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, model.state_dict())
    return model


def _train(model: Classifier, dataset: Dataset, order: Generator, noise: Generator) -> None:
    """Train `model` and leave the averaged weights in it."""
    loader = Loader(dataset, min(RECIPE.batch_size, len(dataset)), order)
    learner = SingleLearner(model, RECIPE)
    for _ in range(RECIPE.steps):
        learner.step(next(loader), noise)
    with learner.averaged():
        averaged = {name: np.array(value) for name, value in model.state_dict().items()}
    model.load_state_dict(averaged)


def _cached(dataset: Dataset, seed: int) -> Path:
    """The file of the classifier for this data, this seed and this recipe."""
    key = zlib.crc32(repr((FEATURES, RECIPE, dataset.checksum, dataset.shape, dataset.classes)).encode())
    name = re.sub(r"\W+", "-", Path(dataset.name).name)
    return cache_folder() / "classifiers" / f"{name}-{key:08x}-{seed}.safetensors"


def _lacks(dataset: Dataset) -> str:
    if dataset.kind != "image":
        return "points"
    return "no labels" if dataset.y is None else f"{len(dataset.classes)} class"
