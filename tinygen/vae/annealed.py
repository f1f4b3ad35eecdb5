"""Annealed importance sampling of log p(x) (Neal 2001), with Hamiltonian transitions (Wu et al. 2017).

From an initial law q_0(z) to the joint p(x, z) by f_b(z) = q_0(z)^(1-b) p(x, z)^b, 0 = b_0 < ... < b_J = 1:

    log w = sum_j (b_j - b_{j-1}) (log p(x, z_{j-1}) - log q_0(z_{j-1})),   E w = p(x),

z_j following z_{j-1} by a transition that leaves f_{b_j} invariant (Neal 2001, eqs. 3 and 11). The logarithm of the
mean of w over chains is low on average (Jensen), by less the more chains and the slower the path. One temperature,
J = 1, is importance sampling from q_0. Held by tests/vae/test_annealed.py: on the linear model log p(x) is known.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tinygen import ops
from tinygen.autodiff.backward import grad
from tinygen.autodiff.tape import recording
from tinygen.distributions import Distribution
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.elbo import LogLikelihood
from tinygen.vae.importance import k_sample_bound

LogDensity = Callable[[Tensor], Tensor]


class Annealed(NamedTuple):
    """What the chains gave."""

    log_p: np.ndarray
    """log p(x) of each example, (N,), in nats: an estimate that is low on average."""
    log_w: np.ndarray
    """The chains' log weights, (chains, N)."""
    acceptance: float
    """Share of the Hamiltonian proposals that were accepted; 0.65 to 0.95 is healthy, 1 with one temperature."""


def annealed_log_prob(
    log_likelihood: LogLikelihood,
    initial: Distribution,
    prior: Distribution,
    rng: Generator,
    chains: int = 16,
    temperatures: int = 100,
    step_size: float = 0.1,
    leapfrog: int = 10,
    power: float = 4.0,
) -> Annealed:
    """log p(x) of N examples by `chains` annealed chains each.

    Args:
        log_likelihood: z (chains, N, d) to log p(x | z) (chains, N).
        initial: q_0, a batch (N,) of laws over d coordinates: the prior, or an encoder's q(z | x).
        prior: p(z).
        temperatures: J, the number of steps of b.
        power: b_j = (j / J)^power; above 1 the steps are small where b is, as from a wide law to a narrow one they must
            be (Friel and Pettitt 2008, section 4); 1 spaces them evenly, for a q_0 near the posterior.
        step_size, leapfrog: of the Hamiltonian transitions, in units of z.

    Raises:
        ValueError: a count below 1, or a step size or power that is not above 0.
    """
    for name, value in {"chains": chains, "temperatures": temperatures, "leapfrog": leapfrog}.items():
        if value < 1:
            raise ValueError(f"annealed_log_prob: {name} is at least 1, not {value}")
    for name, size in {"step_size": step_size, "power": power}.items():
        if not 0 < size < np.inf:
            raise ValueError(f"annealed_log_prob: {name} is above 0, not {size}")

    def log_ratio(z: Tensor) -> Tensor:
        return log_likelihood(z) + prior.log_prob(z) - initial.log_prob(z)

    def between(b: float) -> LogDensity:
        return lambda z: initial.log_prob(z) + b * log_ratio(z)

    z = initial.sample(rng, (chains,))
    path = np.linspace(0.0, 1.0, temperatures + 1) ** power
    log_w, accepted = np.zeros(z.shape[:-1]), [1.0]
    for before, b in pairwise(path):
        with recording(False):
            log_w = log_w + (b - before) * np.asarray(log_ratio(z))
        if b < 1.0:
            z, moved = hamiltonian_step(between(float(b)), z, rng, step_size, leapfrog)
            accepted.append(float(moved.mean()))
    log_p = np.asarray(k_sample_bound(Tensor(log_w)))
    return Annealed(log_p, log_w, float(np.mean(accepted[1:] or accepted)))


def hamiltonian_step(
    log_density: LogDensity, z: Tensor, rng: Generator, step_size: float, leapfrog: int
) -> tuple[Tensor, np.ndarray]:
    """One Hamiltonian Monte Carlo transition of every chain, which leaves the density invariant (Neal 2011, section 3).

    Args:
        log_density: z (..., d) to its logarithm (...,), up to a constant.

    Returns:
        (the new z, which chains moved (...,) bool). A proposal whose energy is not finite is rejected.
    """

    def both(z: Tensor) -> tuple[np.ndarray, Tensor]:
        with recording(True):
            place = Tensor(z._data, requires_grad=True)
            value = log_density(place)
            (slope,) = grad(value.sum(), place)
        return np.asarray(value), slope.detach()

    def kinetic(p: Tensor) -> np.ndarray:
        return 0.5 * (np.asarray(p) ** 2).sum(-1)

    momentum = rng.normal(z.shape, z.dtype, z.device)
    value, slope = both(z)
    energy = kinetic(momentum) - value
    q, p = z, momentum
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(leapfrog):
            p = p + 0.5 * step_size * slope
            q = q + step_size * p
            value, slope = both(q)
            p = p + 0.5 * step_size * slope
        gain = energy - (kinetic(p) - value)
    chance = np.asarray(rng.uniform(z.shape[:-1], np.float64))
    moved = np.log(np.maximum(chance, 2.0**-54)) < gain  # false for NaN
    return ops.where(Tensor(moved[..., None]).to(z.device), q, z), moved
