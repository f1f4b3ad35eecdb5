"""Precision and recall of samples by nearest neighbours (Kynkaanniemi et al. 2019, eqs. 1 to 3).

A set of features stands for the union of the balls around its points that each reach to the point's k-th nearest
neighbour in the set. Precision is the share of the samples inside the data's balls, recall the share of the data inside
the samples'. Held by tests/metrics/test_neighbours.py.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tinygen.divergence import squared_distances

K = 3
"""Neighbours, as in the paper."""
ROWS = 1000
"""Points whose distances to all others are in memory at once."""


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]."""

    precision: float
    recall: float


def precision_recall(samples: npt.ArrayLike, data: npt.ArrayLike, k: int = K) -> PrecisionRecall:
    """How much of the samples (n, d) is like the data (m, d), and how much of the data the samples reach.

    Raises:
        ValueError: sets of other shapes, or no more than k points in one.
    """
    x, y = (np.asarray(points, np.float64) for points in (samples, data))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or k < 1 or min(len(x), len(y)) <= k:
        raise ValueError(
            f"precision_recall: more than k={k} points (n, d) and (m, d) are needed, found {x.shape} and {y.shape}"
        )
    return PrecisionRecall(covered(x, y, k), covered(y, x, k))


def covered(points: npt.NDArray[np.float64], centres: npt.NDArray[np.float64], k: int) -> float:
    """The share of `points` (n, d) inside some ball around `centres` (m, d), borders included (eq. 1)."""
    reach = np.concatenate([np.partition(rows, k, axis=1)[:, k] for rows in _squares(centres, centres)])
    inside = [(rows <= reach).any(axis=1) for rows in _squares(points, centres)]  # entry 0 is the point itself above
    return float(np.concatenate(inside).mean())


def _squares(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Iterator[npt.NDArray[np.float64]]:
    """|x_i - y_j|^2 in blocks of rows. Rounding in place of 0 is taken away: a point lies in every ball around it."""
    noise = 1e-12 * float(np.square(y - y.mean(axis=0)).sum(axis=1).max())
    for start in range(0, len(x), ROWS):
        block = np.asarray(squared_distances(x[start : start + ROWS], y))
        yield np.where(block < noise, 0.0, block)
