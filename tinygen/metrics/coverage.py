"""How many modes of a known mixture samples find: the protocol of VEEGAN (Srivastava et al. 2017, section 4.1).

Of 2,500 samples, those within 3 standard deviations of the nearest mode are of high quality; a mode is found when one
of them is its. A perfect sampler of Gaussians in the plane scores 1 - exp(-4.5) = 98.89 % (CHECKS 39).
Held by tests/metrics/test_coverage.py.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tinygen.tensor import ArrayLike
from tinygen.truth import GaussianMixture

SAMPLES = 2500
"""How many samples the protocol counts."""
WITHIN = 3.0
"""Standard deviations."""


class Coverage(NamedTuple):
    """What the samples covered."""

    modes: int
    """Modes with at least one sample of high quality."""
    quality: float
    """Share of the samples that are of high quality."""
    counts: npt.NDArray[np.int64]
    """Samples of high quality at each mode (K,)."""


def mode_coverage(samples: ArrayLike, truth: GaussianMixture, within: float = WITHIN) -> Coverage:
    """What `samples` (n, D) cover of the modes of `truth`.

    Raises:
        ValueError: no samples, or samples of another dimension than the truth's.
    """
    points = np.asarray(samples, np.float64)
    if points.ndim != 2 or not len(points):
        raise ValueError(f"mode_coverage: samples (n, D) are needed, found shape {points.shape}")
    mode, distance = truth.nearest(points)
    close = np.asarray(distance) <= within
    counts = np.bincount(np.asarray(mode)[close], minlength=len(truth.means))
    return Coverage(int((counts > 0).sum()), float(close.mean()), counts)
