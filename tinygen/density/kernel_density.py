"""Kernel density (Parzen 1962) with Gaussian kernels: p(x) = mean_n N(x; x_n, h^2 I).

With enough points of N(0, 1) it is N(0, 1 + h^2), whose expected log-likelihood under the data is
-log(2 pi (1 + h^2)) / 2 - 1 / (2 (1 + h^2)) (CHECKS 39). Held by tinygen/checks/density.py and
tests/density/test_kernel_density.py.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.autodiff.tape import no_grad
from tinygen.tensor import ArrayLike, Tensor
from tinygen.truth.mixture import GaussianMixture

_HELD = 2**22  # numbers held in memory at once


class KernelDensity(GaussianMixture):
    """A Gaussian of standard deviation `bandwidth` on every point.

    Args:
        points: (N, D).
        bandwidth: h, above 0.

    Raises:
        ValueError: no points, or a bandwidth that is not above 0.
    """

    def __init__(self, points: ArrayLike, bandwidth: float):
        if not bandwidth > 0:
            raise ValueError(f"KernelDensity: bandwidth must be above 0, found {bandwidth}")
        super().__init__(points, float(bandwidth) ** 2)
        self.bandwidth = float(bandwidth)

    def log_prob(self, x: ArrayLike) -> Tensor:
        """log p(x), by a log-sum-exp that neither overflows nor underflows, a few rows at a time."""
        point = self._point(x)
        flat = point.reshape(-1, *self.event_shape)
        rows = max(1, _HELD // self.means.size)
        parts = [self.law.log_prob(flat[i : i + rows]) for i in range(0, len(flat), rows)]
        return (ops.concat(parts) if parts else ops.zeros(0, np.float64)).reshape(point.shape[:-1])

    def leave_one_out(self) -> float:
        """The mean over the points of log p of each by all others, in nats: what a choice of bandwidth maximises.

        Raises:
            ValueError: there is only one point.
        """
        count, size = self.means.shape
        if count < 2:
            raise ValueError("leave_one_out needs two points at least")
        own = -size * math.log(self.bandwidth * math.sqrt(2 * math.pi)) - math.log(count)
        with no_grad():
            log_p = self.log_prob(self.means).numpy()
        if (log_p - own > 1e-6).all():
            return float((log_p + np.log1p(-np.exp(own - log_p))).mean() + math.log(count / (count - 1)))
        return float(np.mean([self._without(n) for n in range(count)]))

    def _without(self, n: int) -> float:
        """log p of point n by all others, where its own kernel would hide them."""
        others = np.delete(self.means.numpy(), n, 0)
        with no_grad():
            return GaussianMixture(others, self.bandwidth**2).log_prob(self.means.numpy()[n]).item()
