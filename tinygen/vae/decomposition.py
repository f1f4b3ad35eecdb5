"""The mean KL to the prior in three parts, for a finite data set, in nats.

With q(z) = (1/N) sum_n q(z | x_n) and a prior of independent coordinates,

    (1/N) sum_n KL(q(z | x_n) || p(z)) = I(x; z) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j)),

mutual information, total correlation and dimension-wise KL (Hoffman and Johnson 2016; Chen et al. 2018, "Isolating
sources of disentanglement in VAEs", eq. 2). The three integrands add up draw by draw, so the identity needs no luck.
Held by tinygen/checks/vae/decomposition.py and tests/vae/test_decomposition.py.
"""

import math
from typing import NamedTuple

import numpy as np

from tinygen import ops
from tinygen.distributions import Normal
from tinygen.tensor import ArrayLike, Tensor


class Parts(NamedTuple):
    """The three parts, in nats; they sum to the mean KL."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_wise: Tensor


def decompose_kl(posterior: Normal, z: Tensor, weights: ArrayLike | None = None) -> Parts:
    """The parts as expectations over z; memory grows with draws x N^2 x d.

    Args:
        posterior: q(z | x_n) of all N examples, a batch (N, d); the prior is N(0, I).
        z: draws (S, N, d), z[:, n] from q(z | x_n), as `posterior.sample(rng, (S,))` gives them.
        weights: of the draws, (S, N), with sum N (a quadrature); equal when None.
    """
    count = posterior.batch_shape[0]
    own = ops.sum(posterior.log_prob(z), -1)
    against_all = posterior.log_prob(z.reshape(*z.shape[:-1], 1, z.shape[-1]))  # (S, N, N, d)
    aggregate = ops.logsumexp(ops.sum(against_all, -1), -1) - math.log(count)
    marginals = ops.sum(ops.logsumexp(against_all, -2) - math.log(count), -1)
    prior = ops.sum(Normal(np.zeros(1, z.dtype), np.ones(1, z.dtype)).log_prob(z), -1)

    def expected(value: Tensor) -> Tensor:
        return value.mean() if weights is None else ops.sum(value * weights) / count

    return Parts(expected(own - aggregate), expected(aggregate - marginals), expected(marginals - prior))
