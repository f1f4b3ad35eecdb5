"""Measures of how far two distributions are apart: closed forms, estimates from samples, and tests."""

from tinygen.distributions.kl import kl_divergence
from tinygen.distributions.monte_carlo import monte_carlo_kl
from tinygen.divergence.classical import jensen_shannon, total_variation
from tinygen.divergence.distances import distances, squared_distances
from tinygen.divergence.f_divergence import (
    F_DIVERGENCES,
    GAN,
    JENSEN_SHANNON,
    KL,
    NEYMAN,
    PEARSON,
    REVERSE_KL,
    SQUARED_HELLINGER,
    FDivergence,
    f_divergence,
    variational_bound,
)
from tinygen.divergence.gaussian import entropic_cost_of_gaussians, frechet_distance, frechet_distance_of_samples
from tinygen.divergence.mmd import (
    expected_rbf,
    median_bandwidth,
    mmd_biased,
    mmd_gaussians,
    mmd_unbiased,
    rbf_kernel,
)
from tinygen.divergence.sinkhorn import entropic_cost, entropic_plan, sinkhorn_divergence
from tinygen.divergence.transport import Transport, transport
from tinygen.divergence.two_sample import ClassifierTest, MMDTest, classifier_test, mmd_test
from tinygen.divergence.wasserstein import wasserstein_1, wasserstein_1d
