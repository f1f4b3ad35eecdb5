"""Gradients of E_q[cost(z)] in the parameters of q: reparameterised, REINFORCE, straight-through, and exact.

    reparameterised   z = g(noise), differentiate through it (Kingma and Welling 2014; Rezende et al. 2014)
    REINFORCE         (cost - b) grad log q(z), unbiased for every b that z does not change (Williams 1992)
    straight-through  a Bernoulli draw with the gradient of its probability (Bengio et al. 2013): biased
    enumeration       the sum over all values, for a few Bernoulli variables

The reparameterised one needs no code here: it is `cost(law.rsample(rng))`. Held by tinygen/checks/vae/estimators.py,
with the known variances and the known bias, and by tests/vae/test_estimators.py.
"""

import itertools
from collections.abc import Callable

import numpy as np

from tinygen import ops
from tinygen.autodiff.transforms import stop_gradient
from tinygen.distributions import Bernoulli
from tinygen.random import Generator
from tinygen.tensor import Tensor


def reinforce(cost: Tensor, log_prob: Tensor, baseline: float | Tensor = 0.0) -> Tensor:
    """A surrogate with the value of `cost` and the gradient (cost - baseline) grad log q(z) + grad cost.

    Args:
        cost: at draws z that carry no gradient, any shape.
        log_prob: log q(z) at the same draws, of the cost's shape.
        baseline: what leaves the expectation alone and changes the variance; must not depend on the draw itself.

    Raises:
        ValueError: shapes that differ.
    """
    if cost.shape != log_prob.shape:
        raise ValueError(f"reinforce: cost {cost.shape} and log_prob {log_prob.shape} must have one shape")
    return cost + stop_gradient(cost - baseline) * (log_prob - stop_gradient(log_prob))


def best_constant_baseline(cost: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None) -> float:
    """E[cost |score|^2] / E[|score|^2], the constant that makes the variance of REINFORCE least.

    Args:
        cost: (n,) at n draws.
        score: grad log q at the draws, (n,) or (n, parameters).
        weights: of the draws in the expectation, (n,); equal when None.

    Raises:
        ValueError: scores that are 0 everywhere.
    """
    power = (score.reshape(len(cost), -1) ** 2).sum(1)
    if not (power > 0).any():
        raise ValueError("best_constant_baseline: the scores are all 0, so every baseline is as good")
    return float(np.average(cost, weights=power if weights is None else power * weights))


def straight_through(law: Bernoulli, rng: Generator) -> Tensor:
    """A draw of zeros and ones whose gradient is that of the probability."""
    return law.sample(rng) + law.probs - stop_gradient(law.probs)


def enumerated_expectation(cost: Callable[[Tensor], Tensor], law: Bernoulli) -> Tensor:
    """E[cost(b)] over all 2^D values of b, exactly, with its exact gradient.

    Args:
        cost: b (2^D, D) to (2^D,).
        law: D independent variables, a batch (D,).

    Raises:
        ValueError: a batch of another rank, or more than 16 variables.
    """
    if len(law.batch_shape) != 1 or law.batch_shape[0] > 16:
        raise ValueError(f"enumeration takes up to 16 variables, a batch (D,), not {law.batch_shape}")
    values = Tensor(np.array(list(itertools.product((0.0, 1.0), repeat=law.batch_shape[0])), law.dtype))
    probability = ops.exp(ops.sum(law.log_prob(values), 1))
    return ops.sum(probability * cost(values))
