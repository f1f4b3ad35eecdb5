"""The sliced distance beside closed forms: a shift, a scaling, the line."""

import math

import numpy as np
import pytest

from tinygen.divergence import wasserstein_1d
from tinygen.metrics.sliced import sliced_wasserstein_1
from tinygen.random import Generator

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_shift_costs_its_mean_projection(d: int) -> None:
    """E|<v, u>| over the sphere is |v| gamma(d/2) / (sqrt(pi) gamma((d + 1)/2)): 1, 2/pi, 1/2."""
    x, shift = RNG.normal(size=(30, d)), RNG.normal(size=d)
    exact = np.linalg.norm(shift) * math.gamma(d / 2) / (math.sqrt(math.pi) * math.gamma((d + 1) / 2))
    n = 20_000
    found = sliced_wasserstein_1(x, x + shift, Generator(1), directions=n)
    assert found == pytest.approx(exact, abs=5 * np.linalg.norm(shift) / math.sqrt(n))


def test_on_the_line_it_is_the_distance_itself() -> None:
    x, y = RNG.normal(size=(30, 1)), RNG.normal(size=(20, 1))
    exact = float(wasserstein_1d(x[:, 0], y[:, 0]))
    assert sliced_wasserstein_1(x, y, Generator(0), directions=3) == pytest.approx(exact)


def test_equal_sets_in_any_order_are_at_0() -> None:
    x = RNG.normal(size=(30, 2))
    assert sliced_wasserstein_1(x, x[::-1], Generator(0)) == pytest.approx(0, abs=1e-12)


def test_no_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 direction is needed, not 0"):
        sliced_wasserstein_1(np.zeros((3, 2)), np.zeros((3, 2)), Generator(0), directions=0)
