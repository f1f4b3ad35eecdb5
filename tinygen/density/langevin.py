"""Sampling by the score: Langevin's dynamics, unadjusted, and corrected by Metropolis and Hastings.

    x' = x + h score(x) + sqrt(2 h) e,  e ~ N(0, I)

On N(0, v) the unadjusted chain has the stationary variance v / (1 - h / (2 v)) (CHECKS 20): a bias that grows with the
step. Accepting x' with probability min(1, p(x') q(x | x') / (p(x) q(x' | x))) removes it (Roberts and Tweedie 1996).
Held by tinygen/checks/density.py and tests/density/test_langevin.py.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygen import ops
from tinygen.autodiff.tape import no_grad
from tinygen.distributions.parameters import as_dtype
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor

Function = Callable[[Tensor], Tensor]


def langevin(score: Function, x: ArrayLike, step: float, steps: int, rng: Generator) -> Tensor:
    """Unadjusted Langevin: `steps` steps of size h = `step` from chains x (N, ...); float64, of x's shape.

    Raises:
        ValueError: a step that is not above 0, or fewer than 0 steps.
    """
    _check(step, steps)
    with no_grad():
        state = as_dtype(x, np.float64)
        for _ in range(steps):
            state = _proposal(score, state, step, rng)
    return state


def metropolis(
    log_prob: Function,
    x: ArrayLike,
    step: float,
    steps: int,
    rng: Generator,
    score: Function | None = None,
) -> tuple[Tensor, float]:
    """Metropolis-Hastings with the proposal of Langevin's dynamics; without a score, of a random walk.

    Args:
        log_prob: log p (N,) of states (N, ...), up to a constant.
        x: chains (N, ...), where p is above 0.
        step: h; the proposal has the variance 2 h.
        steps: how many.
        rng: draws the proposals and the acceptances.
        score: grad log p; None proposes without drift.

    Returns:
        The chains (N, ...), float64, and the share of proposals that were accepted.

    Raises:
        ValueError: a step that is not above 0, fewer than 0 steps, or a chain that starts where p is 0.
    """
    _check(step, steps)
    drift = score or ops.zeros_like
    accepted = 0.0
    with no_grad():
        state = as_dtype(x, np.float64)
        if not np.isfinite(np.asarray(log_prob(state))).all():
            raise ValueError("a chain starts where log p is not finite: start all of them inside the domain")
        for _ in range(steps):
            proposal = _proposal(drift, state, step, rng)
            chance = np.asarray(log_acceptance(log_prob, drift, state, proposal, step))
            u = rng.uniform(len(state), np.float64, "cpu").numpy()
            taken = np.log1p(-u) < chance
            accepted += float(taken.mean())
            state = ops.where(taken.reshape(-1, *(1,) * (state.ndim - 1)), proposal, state)
    return state, accepted / steps if steps else 1.0


def log_acceptance(log_prob: Function, score: Function, x: Tensor, proposal: Tensor, step: float) -> Tensor:
    """min(0, log p(x') + log q(x | x') - log p(x) - log q(x' | x)), (N,), of proposals x' for states x (N, ...)."""
    back = _distance(score, proposal, x, step)
    there = _distance(score, x, proposal, step)
    return ops.minimum(log_prob(proposal) - log_prob(x) + (there - back) / (4 * step), 0.0)


def _proposal(score: Function, x: Tensor, step: float, rng: Generator) -> Tensor:
    return x + step * score(x) + math.sqrt(2 * step) * rng.normal(x.shape, np.float64, x.device)


def _distance(score: Function, start: Tensor, end: Tensor, step: float) -> Tensor:
    """|end - start - h score(start)|^2, (N,)."""
    return ops.sum((end - start - step * score(start)) ** 2, tuple(range(1, start.ndim)))


def _check(step: float, steps: int) -> None:
    if not step > 0:
        raise ValueError(f"step must be above 0, found {step}")
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, found {steps}")
