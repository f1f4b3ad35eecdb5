"""The k-sample importance-weighted bound, L_k = E log (1/k) sum_i w_i, in nats.

Burda, Grosse and Salakhutdinov 2016, "Importance weighted autoencoders", eqs. 8 and 9 and theorem 1: L_1 is the ELBO,
L_k <= L_{k+1} <= log p(x), and L_k tends to log p(x). The gradient is sum_i w~_i grad log w_i with the normalised
weights w~ = softmax(log w) (eq. 14). Held by tinygen/checks/vae/importance.py and
tests/vae/test_importance.py.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.autodiff.tape import no_grad
from tinygen.distributions import Distribution
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.elbo import LogLikelihood, log_weights


def k_sample_bound(log_w: Tensor) -> Tensor:
    """log of the mean of k weights, from their logarithms (k, N): (N,)."""
    return ops.logsumexp(log_w, 0) - math.log(log_w.shape[0])


def normalised_weights(log_w: Tensor) -> Tensor:
    """w_i / sum_j w_j over the k samples, from logarithms (k, N): (k, N)."""
    return ops.softmax(log_w, 0)


def effective_sample_size(log_w: Tensor) -> Tensor:
    """1 / sum_i w~_i^2 of the normalised weights, from 1 to k: (N,). Near k where q is near the posterior."""
    return 1.0 / ops.sum(normalised_weights(log_w) ** 2, 0)


def estimate_bound(
    log_likelihood: LogLikelihood,
    posterior: Distribution,
    prior: Distribution,
    k: int,
    rng: Generator,
    at_once: int = 50,
) -> np.ndarray:
    """The k-sample bound of each example (N,), without gradient, `at_once` samples in memory at a time.

    Raises:
        ValueError: k below 1.
    """
    if k < 1:
        raise ValueError(f"the k-sample bound takes k of at least 1, not {k}")
    parts = []
    with no_grad():
        for start in range(0, k, at_once):
            z = posterior.sample(rng, (min(at_once, k - start),))
            parts.append(log_weights(log_likelihood, z, posterior, prior))
        return np.asarray(k_sample_bound(ops.concat(parts, axis=0)))
