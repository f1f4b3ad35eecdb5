"""Likelihoods of grey levels: line 17."""

from collections.abc import Iterator

import numpy as np

from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.diffusion.decoder import discretised_log_prob
from tinygen.distributions import DiscretisedLogistic
from tinygen.tensor import Tensor

LEVELS = np.linspace(-1.0, 1.0, 256)
CENTRES = [(0.0, 0.3), (-0.98, 0.1), (0.4, 0.005), (3.0, 0.7)]  # location and scale, one of them outside


@check(
    17,
    "diffusion",
    "The 256 bins of a discretised Gaussian sum to 1",
    formula=r"\sum_k \int_{x_k - 1/255}^{x_k + 1/255} N(x; \mu, \sigma^2)\, dx = 1",
    statement="The grey levels share the whole mass, the first and the last taking the tails; an inner level has"
    " that of its cell.",
    source="Ho et al. 2020, eq. 13",
)
def discretised_gaussian() -> Iterator[Measurement]:
    x = Tensor(LEVELS)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    for mean, sd in CENTRES:
        probability = np.exp(discretised_log_prob(x, Tensor(np.full(256, mean)), Tensor(np.array(sd**2))).numpy())
        yield equal(f"sum, mean {mean}, sd {sd}", probability.sum(), 1.0)
        z = (LEVELS[1:-1, None] + nodes / 255 - mean) / sd
        mass = np.exp(-0.5 * z**2) @ weights / (255 * sd * np.sqrt(2 * np.pi))
        yield equal(f"every inner level, mean {mean}, sd {sd}", probability[1:-1], mass)


@check(
    17,
    "diffusion",
    "The 256 bins of a discretised logistic sum to 1",
    formula=r"\sum_k \left[\sigma\left(\frac{x_k + 1/255 - \mu}{s}\right)"
    r" - \sigma\left(\frac{x_k - 1/255 - \mu}{s}\right)\right] = 1",
    statement="The grey levels share the whole mass, the first and the last taking the tails; an inner level has"
    " that of its cell.",
    source="Salimans et al. 2017, eq. 2",
)
def discretised_logistic() -> Iterator[Measurement]:
    nodes, weights = np.polynomial.legendre.leggauss(12)
    for loc, scale in CENTRES:
        law = DiscretisedLogistic(np.array(loc), np.array(scale))
        probability = np.exp(law.log_prob(LEVELS).numpy())
        yield equal(f"sum, location {loc}, scale {scale}", probability.sum(), 1.0)
        z = np.abs(LEVELS[1:-1, None] + nodes / 255 - loc) / scale
        mass = (np.exp(-z) / (1 + np.exp(-z)) ** 2) @ weights / (255 * scale)
        yield equal(f"every inner level, location {loc}, scale {scale}", probability[1:-1], mass)
