"""What samples alone say of a model, whatever its family: the figures that `tinygen eval` prints after the likelihoods.

Each stands beside what real examples reach: a distance beside that of as many real ones, its floor; what a classifier
reads beside how it reads real images. The classifier learns one half of the training set and the floor is of the other,
since what a network has learned looks different to it than what is new. Held by tests/metrics/test_samples.py.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygen.data import Dataset
from tinygen.divergence import frechet_distance_of_samples
from tinygen.metrics.classifier import FEATURES, Seen, classifier_of, look
from tinygen.metrics.coverage import SAMPLES, mode_coverage
from tinygen.metrics.neighbours import K, precision_recall
from tinygen.metrics.sliced import DIRECTIONS, sliced_wasserstein_1
from tinygen.random import Generator
from tinygen.truth import GaussianMixture, Truth

Figures = dict[str, tuple[float, str]]
IMAGES = 1000
LEAST = K + 1
"""Samples that a point among them has K neighbours."""
AT_ONCE = 100


def draw(model: Any, n: int, rng: Generator, labels: npt.NDArray[np.int64] | None = None) -> npt.NDArray:
    """(n, ...) samples, of classes `labels` (n,) where given; drawn in parts, so that memory does not grow with n."""
    parts = []
    for start in range(0, n, AT_ONCE):
        part = slice(start, min(start + AT_ONCE, n))
        cond = None if labels is None else labels[part]
        parts.append(np.asarray(model.sample(part.stop - start, rng, cond)))
    return np.concatenate(parts)


def enough(held_out: Dataset) -> int:
    """How many samples are drawn when nobody says: 2500 points, as many images as are held out, at most 1000."""
    return SAMPLES if held_out.kind == "points" else min(IMAGES, len(held_out))


def asked_of(model: Any, training: Dataset, n: int, rng: Generator) -> npt.NDArray[np.int64] | None:
    """Classes (n,) for a conditional model, those of random training examples; None for another model."""
    if not getattr(model, "classes", 0) or training.y is None:
        return None
    return np.resize(training.y[some(training, n, rng)], n)


def some(dataset: Dataset, n: int, rng: Generator) -> npt.NDArray[np.int64]:
    """Indices (n,) of examples in random order: what data sets hold is sorted now and then."""
    return rng.permutation(len(dataset), device="cpu").numpy()[:n]


def sample_figures(model: Any, training: Dataset, held_out: Dataset, n: int, rng: Generator) -> Figures:
    """Name of each figure -> (value, unit), from n samples; none for images without classes.

    Raises:
        ValueError: fewer samples, or fewer held-out examples, than the figures need.
    """
    learned, new = halves(training)
    count = min(n, len(held_out), len(new))
    if count < LEAST:
        raise ValueError(f"figures of samples need at least {LEAST} samples and held-out examples, found {count}")
    if held_out.kind == "image" and (held_out.y is None or len(held_out.classes) < 2):
        return {}
    noise, labels, choice = rng.split(3)  # what samples are compared with depends on the seed, and not on the model
    asked = asked_of(model, training, n, labels)
    samples = draw(model, n, noise, asked)
    if held_out.kind == "points":
        return point_figures(samples, held_out, choice)
    classifier = classifier_of(learned)
    real, other = (dataset.batch(some(dataset, count, choice)) for dataset in (held_out, new))
    return feature_figures(
        look(classifier, samples), asked, look(classifier, real["x"]), real["y"], look(classifier, other["x"])
    )


def halves(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """The data set in two, by a fixed permutation."""
    order = some(dataset, len(dataset), Generator(0))
    first, second = (
        replace(dataset, stored=dataset.stored[part], y=None if dataset.y is None else dataset.y[part])
        for part in (order[::2], order[1::2])
    )
    return first, second


def feature_figures(
    samples: Seen,
    asked: npt.NDArray[np.int64] | None,
    real: Seen,
    real_labels: npt.NDArray[np.int64],
    other: Seen,
) -> Figures:
    """Frechet distance, precision and recall on features; for samples of classes that were asked for, how many are.

    Args:
        asked: (n,), the classes asked for, or None.
        real, real_labels: held-out examples.
        other: further real examples, for comparison.
    """
    sizes = f"{len(samples.features)} samples, {len(real.features)} held out"
    precision, recall = precision_recall(samples.features, real.features)
    floor = precision_recall(other.features, real.features)
    figures = {
        "Frechet distance of samples": (_frechet(samples, real), f"on {FEATURES} features of our classifier; {sizes}"),
        "Frechet distance of real data": (
            _frechet(other, real),
            f"of {len(other.features)} further ones, for comparison",
        ),
        "precision of samples": (precision, f"in the data's {K}-neighbour balls; real data {floor.precision:.3g}"),
        "recall of samples": (recall, f"of the data in theirs; real data {floor.recall:.3g}"),
    }
    if asked is not None:
        reads = f"share that our classifier reads as asked; of real images it reads {_right(real, real_labels):.2%}"
        figures["label accuracy of samples"] = (_right(samples, asked), reads)
    return figures


def point_figures(samples: npt.NDArray, held_out: Dataset, rng: Generator) -> Figures:
    """Sliced Wasserstein-1 distance to fresh draws of the truth, or to held-out points; modes where there are some."""
    n, truth = len(samples), held_out.truth
    first, second = (_reference(held_out, truth, n, part, rng) for part in (0, 1))
    between = sliced_wasserstein_1(samples, first, rng)
    floor = sliced_wasserstein_1(second, first, rng)
    units = f"units of the data; {n} samples, {len(first)} true, {DIRECTIONS} directions"
    figures = {
        "sliced W1 of samples": (between, units),
        "sliced W1 of the truth": (floor, "the same, for comparison"),
    }
    if isinstance(truth, GaussianMixture):
        covered = mode_coverage(samples, truth)
        figures["modes found"] = (covered.modes, f"of {len(truth.means)}, by {n} samples")
        figures["samples at a mode"] = (covered.quality, "share within 3 standard deviations")
    return figures


def _reference(held_out: Dataset, truth: Truth | None, n: int, part: int, rng: Generator) -> npt.NDArray:
    """n fresh draws of the truth; half of the held-out points where it is not known."""
    if truth is not None:
        return np.asarray(truth.sample(n, rng).numpy(), np.float32)
    return held_out.x[part::2][:n]


def _frechet(a: Seen, b: Seen) -> float:
    return float(frechet_distance_of_samples(a.features, b.features))


def _right(seen: Seen, labels: npt.NDArray[np.int64]) -> float:
    return float((seen.labels == labels).mean())
