"""Two-sample tests: could the points x and y come from one law?

Each test takes a statistic and the same statistic after the points have been dealt anew between the two samples; the
p-value is the rank of the first among all of them, (1 + #{T_b >= T}) / (1 + B). Under one law all orders are equally
likely, so the p-values are uniform on {1, ..., B + 1} / (B + 1), exactly, for any sample size (ties make them larger).

- MMD (Gretton et al. 2012, section 5) with a Gaussian kernel.
- Classifier (Lopez-Paz and Oquab 2017): a logistic regression is trained on half the points and tested on the other
  half; the statistic is the difference of its mean logits (Cheng and Cloninger 2022), which has no ties, and the
  accuracy is reported beside it.

Held by tests/divergence/test_two_sample.py.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygen.divergence.distances import point_sets
from tinygen.divergence.logistic_regression import logistic_regression, quadratic_features
from tinygen.divergence.mmd import median_bandwidth, rbf_kernel
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor

Features = Callable[[np.ndarray], np.ndarray]


class MMDTest(NamedTuple):
    """`statistic` is the biased MMD^2; small p-values speak against one law."""

    statistic: float
    p_value: float
    bandwidth: float


class ClassifierTest(NamedTuple):
    """`statistic` is the difference of mean logits, `accuracy` the share of held-out points told apart."""

    statistic: float
    p_value: float
    accuracy: float


def mmd_test(
    x: ArrayLike, y: ArrayLike, rng: Generator, bandwidth: float | None = None, permutations: int = 199
) -> MMDTest:
    """The MMD permutation test.

    Args:
        x, y: (n, d) and (m, d).
        rng: of the permutations.
        bandwidth: of the Gaussian kernel; by default the median distance of the pooled points, which no
            permutation changes.
        permutations: B.

    Raises:
        ValueError: shapes that do not fit, or no permutations.
    """
    x, y = point_sets("mmd_test", x, y)
    _positive_count("mmd_test", permutations)
    width = median_bandwidth(x, y) if bandwidth is None else bandwidth
    pooled = Tensor(np.concatenate([np.asarray(x), np.asarray(y)]).astype(np.float64))
    kernel = np.asarray(rbf_kernel(width)(pooled, pooled))
    weights = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))])
    dealt = np.stack([weights, *(weights[np.asarray(rng.permutation(len(pooled)))] for _ in range(permutations))])
    statistics = np.einsum("bi,ij,bj->b", dealt, kernel, dealt, optimize=True)
    return MMDTest(float(statistics[0]), _rank(statistics), width)


def classifier_test(
    x: ArrayLike, y: ArrayLike, rng: Generator, features: Features = quadratic_features, permutations: int = 199
) -> ClassifierTest:
    """The classifier two-sample test.

    Args:
        x, y: (n, d) and (m, d), four points each at least.
        rng: of the split into halves and of the permutations.
        features: maps points (k, d) to the inputs (k, p) of the regression.
        permutations: B.

    Raises:
        ValueError: shapes that do not fit, too few points, no permutations.
    """
    x, y = point_sets("classifier_test", x, y)
    _positive_count("classifier_test", permutations)
    if min(len(x), len(y)) < 4:
        raise ValueError(f"classifier_test: each sample needs four points at least, found {len(x)} and {len(y)}")
    (train_x, test_x), (train_y, test_y) = (_halves(np.asarray(v, np.float64), rng) for v in (x, y))
    inputs = np.concatenate([train_x, train_y])
    labels = np.concatenate([np.ones(len(train_x)), np.zeros(len(train_y))])
    logit = logistic_regression(features(inputs), labels)
    held = logit(features(np.concatenate([test_x, test_y])))
    weights = np.concatenate([np.full(len(test_x), 1 / len(test_x)), np.full(len(test_y), -1 / len(test_y))])
    statistics = np.array(
        [weights @ held, *(weights @ held[np.asarray(rng.permutation(len(held)))] for _ in range(permutations))]
    )
    accuracy = float(((held > 0) == (weights > 0)).mean())
    return ClassifierTest(float(statistics[0]), _rank(statistics), accuracy)


def _rank(statistics: np.ndarray) -> float:
    """The share of the statistics that are at least the first; equal up to rounding counts as equal."""
    slack = 1e-12 * np.abs(statistics).max()
    return float((statistics >= statistics[0] - slack).mean())


def _halves(points: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    order = np.asarray(rng.permutation(len(points)))
    half = len(points) // 2
    return points[order[:half]], points[order[half:]]


def _positive_count(who: str, permutations: int) -> None:
    if permutations < 1:
        raise ValueError(f"{who}: permutations must be 1 at least, found {permutations}")
