"""The two moons against an integral over the arcs; the tails of the normal law that the blurred board is made of."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_ndtr

from tinygen import truth
from tinygen.tensor import Tensor
from tinygen.testing import gradcheck
from tinygen.truth.normal_tail import log_normal_cdf, log_normal_mass


@pytest.mark.parametrize("sd", [0.1, 0.2])
@pytest.mark.parametrize("x", [(0, 0), (-3.1, -0.3), (1, 1.7), (4, 3)])
def test_the_moons_density_is_the_integral_over_both_arcs(x, sd):
    def arc(a, sign):
        centre = (math.cos(a) * 2 - 1, 2 * math.sin(a) - 0.2) if sign else (1 - 2 * math.cos(a), 0.8 - 2 * math.sin(a))
        return math.exp(-((x[0] - centre[0]) ** 2 + (x[1] - centre[1]) ** 2) / (2 * sd**2) - shift)

    shift = truth.TwoMoons(sd).log_prob(x).item()
    integral = sum(quad(arc, 0, math.pi, (s,), epsabs=0, epsrel=1e-11, limit=400)[0] for s in (0, 1))
    assert math.log(integral / (2 * math.pi) / (2 * math.pi * sd**2)) == pytest.approx(0, abs=1e-8)


def test_the_log_of_the_normal_distribution_function():
    x = np.linspace(-40, 8, 2001)
    ours = log_normal_cdf(Tensor(x)).numpy()
    np.testing.assert_allclose(ours, log_ndtr(x), rtol=1e-13, atol=1e-15)


def test_its_gradients_of_orders_1_and_2():
    x = np.array([-30.0, -2.5, -1.0, 0.5, 3.0])
    assert gradcheck(log_normal_cdf, x, order=2)
    assert gradcheck(log_normal_mass, x - 0.5, x + 0.1)


def test_the_mass_of_an_interval_far_in_either_tail():
    """Phi(u) - Phi(v) is even, and far away is its upper end's tail; near 0 it is the density times the length."""
    v, u = np.array([-40.0, -30.0, 1.0, 0.3]), np.array([-35.0, 2.0, 1.0 + 1e-3, 0.5])
    mass = log_normal_mass(Tensor(v), Tensor(u)).numpy()
    np.testing.assert_allclose(log_normal_mass(Tensor(-u), Tensor(-v)).numpy(), mass, rtol=1e-12)
    expected = [log_ndtr(-35.0), log_ndtr(2.0), math.log(1e-3) - 0.5 * 1.0005**2 - 0.5 * math.log(2 * math.pi)]
    np.testing.assert_allclose(mass[:3], expected, rtol=1e-8)
    assert math.exp(mass[3]) == pytest.approx(math.exp(log_ndtr(0.5)) - math.exp(log_ndtr(0.3)), rel=1e-12)
