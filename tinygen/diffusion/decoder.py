"""The last step of a diffusion for pixels: a Gaussian, its mass gathered in the grey levels (Ho et al. 2020, eq. 13).

Each level from -1 to 1 has the mass of its cell, half a step to either side; the first and the last reach to infinity,
so the levels' probabilities sum to 1. Held by tinygen.checks.diffusion (17).
"""

from tinygen.ops.elementwise import clip, erf, log, where
from tinygen.tensor import Tensor

LEAST = 1e-12
"""No cell has less: its logarithm stays finite where the normal's tail is lost to rounding."""


def discretised_log_prob(x_0: Tensor, mean: Tensor, variance: Tensor, levels: int = 256) -> Tensor:
    """log of the probability of each entry of x_0 (N, ...), one of `levels` values from -1 to 1, in nats.

    Args:
        mean: of the Gaussian, of x_0's shape.
        variance: broadcasts to it.
    """
    half = 1.0 / (levels - 1)
    scale = (2.0 * variance) ** -0.5
    below = where(x_0 < -1.0 + half, -1.0, erf((x_0 - half - mean) * scale))
    above = where(x_0 > 1.0 - half, 1.0, erf((x_0 + half - mean) * scale))
    return log(clip(0.5 * (above - below), min=LEAST))
