"""The toy densities: they integrate to 1, samples follow them, and the entropies are the known floors."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from tinygen.data import DENSITIES
from tinygen.random import Generator

N = 100_000
FLOORS = {
    "eight_gaussians": 2.8319,
    "checkerboard": math.log(32),
    "two_moons": 2.3939,
    "grid25": 0.0653,
    "ring8": -4.2930,
}
names = pytest.mark.parametrize("name", DENSITIES)


@pytest.fixture(scope="module")
def samples():
    return {name: density.sample(N, Generator(11)) for name, density in DENSITIES.items()}


@pytest.fixture(scope="module")
def log_probs(samples):
    return {name: DENSITIES[name].log_prob(points) for name, (points, _) in samples.items()}


def mean_and_error(values) -> tuple[float, float]:
    return values.mean(), values.std() / math.sqrt(len(values))


def midpoints(low: float, high: float, n: int):
    edges = np.linspace(low, high, n + 1)
    return np.stack(np.meshgrid(*[(edges[1:] + edges[:-1]) / 2] * 2, indexing="ij"), -1), (high - low) / n


def test_every_floor_is_there():
    assert {name: density.entropy for name, density in DENSITIES.items()} == FLOORS


@names
def test_the_mean_negative_log_likelihood_of_samples_is_the_entropy(log_probs, name):
    """-E log p = H, 100,000 points, 5 standard errors and the 5e-5 to which the floors are printed."""
    mean, error = mean_and_error(-log_probs[name])
    assert error < 0.01
    assert abs(mean - FLOORS[name]) < 5 * error + 5e-5


@pytest.mark.parametrize(("name", "extent", "n"), [("eight_gaussians", 6, 300), ("two_moons", 5, 250)])
def test_density_integrates_to_1_and_its_entropy_integral_is_the_floor(name, extent, n):
    """The midpoint rule converges faster than any power for these smooth densities."""
    grid, step = midpoints(-extent, extent, n)
    log_p = DENSITIES[name].log_prob(grid)
    p = np.exp(log_p) * step**2
    assert p.sum() == pytest.approx(1, abs=1e-8)
    assert -(p * log_p).sum() == pytest.approx(FLOORS[name], abs=5e-5)


def test_the_checkerboard_covers_half_of_its_square():
    grid, step = midpoints(-5, 5, 500)
    assert np.exp(DENSITIES["checkerboard"].log_prob(grid)).sum() * step**2 == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["grid25", "ring8"])
def test_separate_modes_have_the_entropy_of_the_choice_plus_that_of_a_gaussian(name):
    """log K + log(2 pi e sd^2): at this distance of the modes the overlap is below 1e-12."""
    density = DENSITIES[name]
    closed = math.log(len(density.centres)) + math.log(2 * math.pi * math.e * density.sd**2)
    assert density.entropy == pytest.approx(closed, abs=5e-5)


@names
def test_samples_fall_where_the_density_says(samples, log_probs, name):
    """E_p[1_A / p] = area of A, for A where the density is high: by samples, and by points of a box."""
    points, _ = samples[name]
    inside = log_probs[name] > -DENSITIES[name].entropy - 3
    weights = np.where(inside, np.exp(-log_probs[name]), 0)
    area, error = mean_and_error(weights)
    span = np.abs(points).max() * 1.01
    grid = np.asarray(Generator(3).uniform((100_000, 2), np.float64)) * 2 * span - span
    hits = DENSITIES[name].log_prob(grid) > -DENSITIES[name].entropy - 3
    expected, grid_error = (value * (2 * span) ** 2 for value in mean_and_error(hits.astype(float)))
    assert abs(area - expected) < 5 * math.hypot(error, grid_error)


@names
def test_components_are_equally_likely_and_symmetric(samples, name):
    """Counts of each component within 5 standard deviations of the binomial."""
    _, component = samples[name]
    counts = np.bincount(component)
    k = len(counts)
    assert (np.abs(counts - N / k) < 5 * math.sqrt(N / k * (1 - 1 / k))).all()


@pytest.mark.parametrize(("name", "modes"), [("eight_gaussians", 8), ("grid25", 25), ("ring8", 8)])
def test_a_component_is_a_gaussian_about_its_centre(samples, name, modes):
    points, component = samples[name]
    density = DENSITIES[name]
    assert len(density.classes) == len(density.centres) == modes
    for k, centre in enumerate(density.centres):
        residual = (points[component == k] - centre) / density.sd
        n = residual.size
        assert abs(residual.mean()) < 5 / math.sqrt(n)
        assert abs(np.square(residual).mean() - 1) < 5 * math.sqrt(2 / n)


def test_scales_are_those_of_the_papers():
    eight, grid, ring = (DENSITIES[name] for name in ("eight_gaussians", "grid25", "ring8"))
    np.testing.assert_allclose(np.hypot(*np.transpose(eight.centres)), 4 / 1.414)
    assert eight.sd == pytest.approx(0.5 / 1.414)
    assert sorted(grid.centres) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    np.testing.assert_allclose(np.hypot(*np.transpose(ring.centres)), 1)


def test_points_of_a_moon_lie_about_its_half_circle(samples):
    """Radius 2 about (-1, -0.2) above, about (1, 0.8) below; the blur lengthens the mean radius by sd^2/4."""
    points, moon = samples["two_moons"]
    for k, centre in enumerate([(-1, -0.2), (1, 0.8)]):
        radius = np.hypot(*(points[moon == k] - centre).T)
        mean, error = mean_and_error(radius)
        assert abs(mean - 2 - 0.2**2 / 4) < 5 * error + 1e-3
        assert radius.std() == pytest.approx(0.2, rel=0.02)
    upper, lower = points[moon == 0], points[moon == 1]
    assert upper[:, 1].mean() == pytest.approx(2 * 2 / math.pi - 0.2, abs=0.02)
    assert lower[:, 1].mean() == pytest.approx(-2 * 2 / math.pi + 0.8, abs=0.02)


@pytest.mark.parametrize("x", [(0, 0), (-3.1, -0.3), (1, 1.7), (2, -1.5), (0.9, -1.3), (4, 3)])
def test_the_moons_density_is_the_integral_over_both_arcs(x):
    """Adaptive quadrature of N(x; c(a), 0.2^2 I) over each arc."""

    def upper(a):
        return math.exp(-((x[0] - 2 * math.cos(a) + 1) ** 2 + (x[1] - 2 * math.sin(a) + 0.2) ** 2) / 0.08)

    def lower(a):
        return math.exp(-((x[0] + 2 * math.cos(a) - 1) ** 2 + (x[1] + 2 * math.sin(a) - 0.8) ** 2) / 0.08)

    integral = sum(quad(arc, 0, math.pi, epsabs=0, epsrel=1e-11, limit=200)[0] for arc in (upper, lower))
    direct = math.log(integral / (2 * math.pi) / (2 * math.pi * 0.04))
    assert DENSITIES["two_moons"].log_prob(x) == pytest.approx(direct, abs=1e-8)


def test_far_away_the_log_density_is_finite_and_falls_as_a_gaussian():
    far = DENSITIES["ring8"].log_prob([[100.0, 0.0]])
    assert far == pytest.approx(-(99.0**2) / (2 * 0.01**2) - math.log(8 * 2 * math.pi * 0.01**2))


@names
def test_sampling_depends_on_the_generator_alone(name):
    first, again, other = (DENSITIES[name].sample(50, Generator(seed))[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.intersect1d(first, other).size
