"""Distributions whose answers are known: densities, draws, entropies, moments and divergences in closed form."""

import tinygen.distributions.cross_entropy  # enters its pairs in the table of kl_divergence
from tinygen.distributions.bijections import Affine, Exp, Sigmoid, Tanh
from tinygen.distributions.discrete import Bernoulli, Categorical
from tinygen.distributions.discretised_logistic import DiscretisedLogistic
from tinygen.distributions.distribution import Distribution, NoClosedForm
from tinygen.distributions.independent import Independent
from tinygen.distributions.kl import kl_divergence
from tinygen.distributions.location_scale import Laplace, Logistic, Normal, Uniform
from tinygen.distributions.mixture import Mixture
from tinygen.distributions.monte_carlo import monte_carlo_kl
from tinygen.distributions.multivariate_normal import MultivariateNormal
from tinygen.distributions.positive import Beta, Exponential, Gamma
from tinygen.distributions.transformed import Transformed

__all__ = [
    "Affine",
    "Bernoulli",
    "Beta",
    "Categorical",
    "DiscretisedLogistic",
    "Distribution",
    "Exp",
    "Exponential",
    "Gamma",
    "Independent",
    "Laplace",
    "Logistic",
    "Mixture",
    "MultivariateNormal",
    "NoClosedForm",
    "Normal",
    "Sigmoid",
    "Tanh",
    "Transformed",
    "Uniform",
    "kl_divergence",
    "monte_carlo_kl",
]
