"""The sliced Wasserstein-1 distance (Rabin et al. 2012; Bonneel et al. 2015, with exponent 1).

The mean over directions on the sphere of W1 between the two sets' projections: a distance between sets of points in
their own units, at the price of a sort a direction. Held by tests/metrics/test_sliced.py.
"""

import numpy as np

from tinygen import ops
from tinygen.divergence import wasserstein_1d
from tinygen.divergence.distances import point_sets
from tinygen.random import Generator
from tinygen.tensor import ArrayLike

DIRECTIONS = 200


def sliced_wasserstein_1(x: ArrayLike, y: ArrayLike, rng: Generator, directions: int = DIRECTIONS) -> float:
    """The distance between the points x (n, d) and y (m, d), by that many directions drawn from `rng`.

    Raises:
        ValueError: shapes that do not fit, or no direction.
    """
    x, y = point_sets("sliced_wasserstein_1", x, y)
    if directions < 1:
        raise ValueError(f"sliced_wasserstein_1: at least 1 direction is needed, not {directions}")
    drawn = rng.normal((x.shape[1], directions), dtype=x.dtype).to(x.device)
    unit = drawn / ops.sqrt(ops.sum(drawn**2, 0, True))
    return float(np.mean(np.asarray(wasserstein_1d((x @ unit).mT, (y @ unit).mT))))
