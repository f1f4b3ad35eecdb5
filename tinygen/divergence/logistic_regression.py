"""Logistic regression by Newton's method, for the classifier two-sample test."""

from collections.abc import Callable

import numpy as np


def quadratic_features(x: np.ndarray) -> np.ndarray:
    """The coordinates of points (n, d), their squares and their products: (n, d + d (d + 1) / 2)."""
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, i] * x[:, j]], 1)


def logistic_regression(
    x: np.ndarray, labels: np.ndarray, ridge: float = 1e-2, steps: int = 30
) -> Callable[[np.ndarray], np.ndarray]:
    """Fits log p/(1 - p) = w.x + b on standardised inputs, with the penalty ridge |w|^2 / 2 per point.

    Args:
        x: (n, p).
        labels: (n,), 0 or 1.
        ridge: above 0: it makes the objective strictly convex, so that separable points have a finite answer.
        steps: of Newton's method, at most; it stops when the gradient is at rounding.

    Returns:
        The fitted logit, a function of (k, p) that gives (k,).
    """
    mean, spread = x.mean(0), x.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    design = np.concatenate([(x - mean) / spread, np.ones((len(x), 1))], 1)
    penalty = np.full(design.shape[1], ridge)
    penalty[-1] = 1e-9  # the intercept is free
    w = np.zeros(design.shape[1])

    def objective(w: np.ndarray) -> float:
        z = design @ w
        return float((np.logaddexp(0, z) - labels * z).mean() + 0.5 * (penalty * w * w).sum())

    for _ in range(steps):
        p = 0.5 * (1 + np.tanh(0.5 * (design @ w)))
        gradient = design.T @ (p - labels) / len(x) + penalty * w
        if np.abs(gradient).max() < 1e-12:
            break
        hessian = (design.T * (p * (1 - p))) @ design / len(x) + np.diag(penalty)
        step, slope, size = np.linalg.solve(hessian, gradient), 0.0, 1.0
        slope = float(gradient @ step)
        while size > 1e-8 and objective(w - size * step) > objective(w) - 1e-4 * size * slope:
            size *= 0.5
        w = w - size * step
    return lambda points: (points - mean) / spread @ w[:-1] + w[-1]
