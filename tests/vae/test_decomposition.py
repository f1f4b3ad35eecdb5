"""Mean KL = mutual information + total correlation + dimension-wise KL, for any codes and by any quadrature."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.checks.expectations import gauss_hermite
from tinygen.distributions import Independent, Normal, kl_divergence
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.decomposition import decompose_kl


def quadrature(means: np.ndarray, scales: np.ndarray, nodes: int = 40):
    """The posterior, nodes z (S, N, d) under every q(z | x_n), and their weights (S, N)."""
    e, weights = gauss_hermite(means.shape[1], nodes)
    z = means + scales * e[:, None]
    return Normal(means, scales), Tensor(z), np.repeat(weights[:, None], len(means), axis=1)


def mean_kl(posterior: Normal) -> float:
    prior = Independent(Normal(np.zeros(posterior.batch_shape), 1.0))
    return np.asarray(kl_divergence(Independent(posterior), prior)).mean()


@given(seed=st.integers(0, 1000), n=st.integers(1, 4), nodes=st.integers(2, 6))
def test_the_parts_sum_to_the_mean_kl_exactly(seed, n, nodes):
    """Even by a coarse quadrature: what is left when they telescope is a quadratic."""
    rng = np.random.default_rng(seed)
    posterior, z, weights = quadrature(rng.normal(size=(n, 2)), rng.uniform(0.2, 1.5, (n, 2)), nodes)
    total = sum(part.item() for part in decompose_kl(posterior, z, weights))
    assert total == pytest.approx(mean_kl(posterior), rel=1e-9, abs=1e-12)


def test_the_parts_are_divergences_within_their_limits():
    rng = np.random.default_rng(0)
    posterior, z, weights = quadrature(rng.normal(size=(4, 2)), rng.uniform(0.4, 1.0, (4, 2)))
    parts = decompose_kl(posterior, z, weights)
    assert 0 < parts.mutual_information.item() < math.log(4)
    assert parts.total_correlation.item() > 0
    assert parts.dimension_wise.item() > 0


def test_drawn_codes_estimate_the_same_parts():
    rng = np.random.default_rng(1)
    means, scales = rng.normal(size=(5, 2)), rng.uniform(0.4, 1.0, (5, 2))
    exact = decompose_kl(*quadrature(means, scales))
    posterior = Normal(means, scales)
    drawn = decompose_kl(posterior, posterior.sample(Generator(0), (4000,)))
    for found, expected in zip(drawn, exact):
        assert found.item() == pytest.approx(expected.item(), abs=0.05)
