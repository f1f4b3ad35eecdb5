"""Distributions whose answers are known: what models, tests and examples are scored against.

law.py               what every truth offers, and its noised versions
gaussian.py          N(mu, S)
mixture.py           mixtures of Gaussians, with `ring`, `grid` and `eight_gaussians`
linear_gaussian.py   x = W z + mu + noise: marginal likelihood and posterior
table.py             finitely many points
checkerboard.py      uniform on the squares of one colour
two_moons.py         two half circles, blurred
normal_tail.py       log of the normal distribution function, which the noised checkerboard is made of

All are float64, on the CPU. A point is a vector, the last axis of x; without points of its own the one of a
`DiscreteTable` is a label, a number.
"""

from tinygen.truth.checkerboard import Checkerboard, checkerboard
from tinygen.truth.gaussian import Gaussian
from tinygen.truth.law import Noised, Truth
from tinygen.truth.linear_gaussian import LinearGaussian
from tinygen.truth.mixture import GaussianMixture, eight_gaussians, grid, ring
from tinygen.truth.table import DiscreteTable
from tinygen.truth.two_moons import TwoMoons, two_moons

__all__ = [
    "Checkerboard",
    "DiscreteTable",
    "Gaussian",
    "GaussianMixture",
    "LinearGaussian",
    "Noised",
    "Truth",
    "TwoMoons",
    "checkerboard",
    "eight_gaussians",
    "grid",
    "ring",
    "two_moons",
]
