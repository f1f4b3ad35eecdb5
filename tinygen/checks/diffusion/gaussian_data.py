"""Gaussian data N(mu, s^2), on which every quantity of diffusion is known, and expectations without error."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinygen.diffusion.schedule import Schedule, at
from tinygen.tensor import Tensor

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GaussianData:
    """One-dimensional data N(mean, s^2) and what noise makes of it."""

    mean: float
    s: float

    def marginal_variance(self, schedule: Schedule) -> Array:
        """V_t = alpha_bar s^2 + 1 - alpha_bar, the variance of x_t: (T + 1,)."""
        return schedule.alpha_bar * self.s**2 + 1.0 - schedule.alpha_bar

    def denoiser(self, schedule: Schedule) -> Callable[[Tensor, Tensor], Tensor]:
        """The best noise prediction sqrt(1 - alpha_bar) (x_t - sqrt(alpha_bar) mu) / V."""
        a = schedule.alpha_bar
        v = self.marginal_variance(schedule)
        gain = np.sqrt(1.0 - a) / np.where(v > 0, v, 1.0)  # a point of data at t = 0 has no variance and no noise
        return lambda x, t: at(gain, t, x) * (x - at(np.sqrt(a) * self.mean, t, x))

    def reverse_variance(self, schedule: Schedule) -> Array:
        """The variance of the true q(x_{t-1} | x_t), by conditioning the Gaussian pair: (T + 1,), 0 at t = 0."""
        v, keep = self.marginal_variance(schedule), 1.0 - schedule.beta[1:]
        return np.concatenate([[0.0], v[:-1] - keep * v[:-1] ** 2 / v[1:]])

    def quadrature(self, nodes: int = 6) -> tuple[Tensor, Tensor, Array]:
        """x_0, noise and weights whose weighted sum is the expectation, exact for polynomials up to degree 11."""
        z, w = np.polynomial.hermite_e.hermegauss(nodes)
        w = w / w.sum()
        x_0, noise = (v.reshape(-1, 1) for v in np.meshgrid(self.mean + self.s * z, z, indexing="ij"))
        return Tensor(x_0), Tensor(noise), np.outer(w, w).reshape(-1)


def times(n: int, t: int) -> Tensor:
    """The time t for n examples."""
    return Tensor(np.full(n, t, np.int64))


ONE, ZERO = Tensor(np.ones((1, 1))), Tensor(np.zeros((1, 1)))
"""One example of one dimension: a linear map is known by what it makes of these."""
