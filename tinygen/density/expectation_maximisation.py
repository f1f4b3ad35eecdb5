"""Gaussian mixtures by expectation maximisation (Dempster, Laird and Rubin 1977; Bishop 2006, eqs. 9.23 to 9.27).

    E  r_nk = p(k | x_n)
    M  w_k = mean_n r_nk,  mu_k = weighted mean of the x_n,  S_k = their weighted covariance

No step lowers the likelihood. It has no bound (a component may shrink onto one point), so covariances are held above
v I; the best under that constraint is S_k with its eigenvalues raised to v, and the likelihood still never falls.
Held by tests/density/test_expectation_maximisation.py.
"""

from dataclasses import dataclass

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.random import Generator
from tinygen.tensor import ArrayLike
from tinygen.truth.mixture import GaussianMixture


@dataclass(frozen=True, eq=False)
class MixtureFit:
    """What EM found.

    Attributes:
        mixture: the law.
        log_likelihood: mean log p of the points in nats, before the first step and after each: it never falls.
        converged: whether the last step gained less than the tolerance.
    """

    mixture: GaussianMixture
    log_likelihood: tuple[float, ...]
    converged: bool


def em_step(mixture: GaussianMixture, x: ArrayLike, least_variance: float = 0.0) -> GaussianMixture:
    """One E and one M step on points (N, D); a component that no point belongs to stays where it is, with weight 0."""
    points = np.asarray(x, np.float64)
    with no_grad():
        share = mixture.posterior(points).probs.numpy()
    count = share.sum(0)
    held = np.maximum(count, np.finfo(np.float64).tiny)
    means = np.where(count[:, None] > 0, share.T @ points / held[:, None], mixture.means.numpy())
    covariances = np.empty((len(means), points.shape[1], points.shape[1]))
    before = mixture.components.covariance.numpy()
    for k, mean in enumerate(means):
        apart = points - mean
        covariance = (share[:, k, None] * apart).T @ apart / held[k] if count[k] > 0 else before[k]
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        covariances[k] = (vectors * np.maximum(values, least_variance)) @ vectors.T
    covariances = (covariances + covariances.swapaxes(1, 2)) / 2
    return GaussianMixture(means, covariances, count / count.sum())


def fit_gaussian_mixture(
    x: ArrayLike,
    components: int,
    rng: Generator,
    steps: int = 500,
    tolerance: float = 1e-8,
    least_variance: float | None = None,
) -> MixtureFit:
    """A mixture of full-covariance Gaussians of locally greatest likelihood for points (N, D).

    Args:
        x: the points.
        components: how many Gaussians.
        rng: chooses the first centres among the points, far from each other (k-means++, Arthur and
            Vassilvitskii 2007).
        steps: the most EM steps.
        tolerance: gain in mean log-likelihood (nats) below which EM stops.
        least_variance: v, what no variance in any direction falls below; 1e-6 times the data's when None.

    Raises:
        ValueError: x is no array of points, there are fewer different points than components, or v is not above 0.
    """
    points = np.asarray(x, np.float64)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all():
        raise ValueError(f"finite points (N, D) are needed, found an array of shape {points.shape}")
    different = len(np.unique(points, axis=0))
    if not 1 <= components <= different:
        raise ValueError(f"components must be from 1 to {different}, the number of different points, not {components}")
    spread = float(points.var(0).mean())
    floor = (1e-6 * spread or 1e-6) if least_variance is None else least_variance
    if not floor > 0:
        raise ValueError(f"least_variance must be above 0, found {least_variance}")
    centres = _far_apart(points, components, rng)
    mixture = GaussianMixture(centres, max(spread / components, floor) * np.eye(points.shape[1]))
    history = [_log_likelihood(mixture, points)]
    for _ in range(steps):
        mixture = em_step(mixture, points, floor)
        history.append(_log_likelihood(mixture, points))
        if history[-1] - history[-2] < tolerance:
            return MixtureFit(mixture, tuple(history), True)
    return MixtureFit(mixture, tuple(history), False)


def _log_likelihood(mixture: GaussianMixture, points: np.ndarray) -> float:
    with no_grad():
        return mixture.log_prob(points).mean().item()


def _far_apart(points: np.ndarray, count: int, rng: Generator) -> np.ndarray:
    """Points drawn one after the other, each in proportion to its squared distance from the nearest so far."""
    u = rng.uniform(count, np.float64, "cpu").numpy()
    chosen = [int(u[0] * len(points))]
    distance = np.full(len(points), np.inf)
    for share in u[1:]:
        distance = np.minimum(distance, np.square(points - points[chosen[-1]]).sum(1))
        edges = distance.cumsum()
        chosen.append(int(np.searchsorted(edges, share * edges[-1], side="right")))
    return points[chosen]
