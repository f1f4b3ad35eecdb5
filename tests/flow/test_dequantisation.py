"""Bits per dimension and the dequantisation bound: CHECKS 36."""

import math

import numpy as np
import pytest

import tinygen as tg
from tinygen.distributions import Logistic
from tinygen.flow.affine import Affine
from tinygen.flow.contract import Composed
from tinygen.flow.dequantisation import bits_per_dimension, dequantise, from_unit, to_integers
from tinygen.flow.logit import Logit
from tinygen.flow.model import FlowModel
from tinygen.random import Generator


def as_stored(k, levels):
    """Images as data sets give them: float32 in [-1, 1]."""
    return k.astype(np.float32) * np.float32(2 / (levels - 1)) - np.float32(1)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_integers_come_back_from_images_and_from_their_cells(levels):
    k = np.arange(levels).reshape(levels, 1)
    np.testing.assert_array_equal(to_integers(as_stored(k, levels), levels), k)
    x = dequantise(k, levels, Generator(0), np.float64)
    np.testing.assert_allclose(from_unit(x, levels), as_stored(k, levels), atol=1e-6)


def test_noise_fills_the_cell_uniformly():
    u = np.asarray(dequantise(np.full(20_000, 3), 8, Generator(0), np.float64)) * 8 - 3
    assert u.min() >= 0
    assert u.max() < 1
    assert u.mean() == pytest.approx(0.5, abs=5 * math.sqrt(1 / 12 / 20_000))


@pytest.mark.parametrize("levels", [17, 256])
def test_a_uniform_model_costs_the_bits_of_a_pixel(levels):
    """The logit of a uniform variable is logistic, so this model is uniform on [0, 1]^D: 8 bits/dim for 256 levels."""
    model = FlowModel(Logit(0.0), (1, 3, 3), base="logistic", levels=levels).to("float64")
    k = np.random.default_rng(0).integers(0, levels, (50, 1, 3, 3))
    cost = np.asarray(model.costs(as_stored(k, levels), Generator(1)))
    np.testing.assert_allclose(cost, math.log2(levels), rtol=1e-9)


def test_the_bound_is_tight_where_the_density_is_constant_in_each_cell():
    probability = np.array([0.1, 0.2, 0.3, 0.4])
    k = np.array([[0], [1], [2], [3]])
    x = np.asarray(dequantise(k, 4, Generator(0), np.float64))
    density = 4 * probability[np.floor(4 * x).astype(int)]
    bits = bits_per_dimension(tg.tensor(np.log(density)).sum(axis=1), 1, 4)
    np.testing.assert_allclose(np.asarray(bits), -np.log2(probability), rtol=1e-12)


def test_elsewhere_it_is_above_by_the_gap_of_jensens_inequality():
    """A logistic law on the line, 4 cells of [0, 1]: P(k) by its distribution function, the bound by quadrature."""
    flow = Composed(Affine((1,)))
    flow.flows[0].shift._assign(-2.0)
    flow.flows[0].log_scale._assign(math.log(5.0))
    model = FlowModel(flow, (1,), base="logistic").to("float64")
    law = Logistic(np.array(0.4), np.array(0.2))  # (x - 0.4) / 0.2 = 5 x - 2
    nodes, weights = np.polynomial.legendre.leggauss(30)
    for k in range(4):
        exact = -math.log2(float(law.cdf((k + 1) / 4) - law.cdf(k / 4)))
        x = tg.tensor((k + (nodes[:, None] + 1) / 2) / 4)
        bound = float(weights / 2 @ np.asarray(bits_per_dimension(model.log_prob(x), 1, 4)))
        assert exact + 1e-4 < bound < exact + 0.1
