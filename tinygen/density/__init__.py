"""Classical density models: what can be had without a network, and exactly.

expectation_maximisation.py   Gaussian mixtures fitted by EM
kernel_density.py             a Gaussian on every point
langevin.py                   sampling by the score: unadjusted Langevin, and Metropolis' correction of it
inverse_cdf.py                sampling by the distribution function
"""

from tinygen.density.expectation_maximisation import MixtureFit, em_step, fit_gaussian_mixture
from tinygen.density.inverse_cdf import inverse_cdf, sample_by_inverse_cdf
from tinygen.density.kernel_density import KernelDensity
from tinygen.density.langevin import langevin, log_acceptance, metropolis

__all__ = [
    "KernelDensity",
    "MixtureFit",
    "em_step",
    "fit_gaussian_mixture",
    "inverse_cdf",
    "langevin",
    "log_acceptance",
    "metropolis",
    "sample_by_inverse_cdf",
]
