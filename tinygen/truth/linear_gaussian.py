"""Probabilistic PCA: x = W z + mu + s e with z ~ N(0, I_q), e ~ N(0, I_D) (Tipping and Bishop 1999).

    marginal (eq. 3 there)     x ~ N(mu, W W^T + s^2 I)
    posterior (eq. 6)          z | x ~ N(M^-1 W^T (x - mu), s^2 M^-1),  M = W^T W + s^2 I
    maximum likelihood (7, 8)  W = U_q (L_q - s^2 I)^(1/2), s^2 = mean of the discarded eigenvalues

Held by tinygen/checks/vae/importance.py: log p(x) = log p(z) + log p(x|z) - log p(z|x) at every z; and by
tests/truth/test_linear_gaussian.py.
"""

import numpy as np

from tinygen.distributions import MultivariateNormal
from tinygen.distributions.parameters import as_dtype
from tinygen.ops import linalg
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor
from tinygen.truth.gaussian import Gaussian


class LinearGaussian(Gaussian):
    """x = W z + mu + s e.

    Args:
        weight: W, (D, q).
        mean: mu, (D,); zeros when None.
        sd: s, above 0.

    Raises:
        ValueError: shapes that do not fit, an s that is not above 0.
    """

    def __init__(self, weight: ArrayLike, mean: ArrayLike | None = None, sd: float = 1.0):
        self.weight, self.sd = as_dtype(weight, np.float64), float(sd)
        if self.weight.ndim != 2 or not self.weight.size:
            raise ValueError(f"LinearGaussian: weight must have shape (D, q), found {self.weight.shape}")
        if not self.sd > 0:
            raise ValueError(f"LinearGaussian: sd must be above 0, found {sd}")
        size, latent = self.weight.shape
        noise = self.sd**2 * Tensor(np.eye(size))
        super().__init__(np.zeros(size) if mean is None else mean, self.weight @ self.weight.mT + noise)
        self.prior = Gaussian(np.zeros(latent))
        self.precision = self.weight.mT @ self.weight + self.sd**2 * Tensor(np.eye(latent))

    def sample_pairs(self, n: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """n pairs (z, x), (n, q) and (n, D)."""
        z = self.prior.sample(n, rng)
        return z, self.likelihood(z).sample(rng)

    def likelihood(self, z: ArrayLike) -> MultivariateNormal:
        """p(x | z) = N(W z + mu, s^2 I) for latents (..., q)."""
        means = as_dtype(z, np.float64) @ self.weight.mT + self.mean
        return MultivariateNormal(means, variance=np.full(self.event_shape, self.sd**2))

    def posterior(self, x: ArrayLike) -> MultivariateNormal:
        """p(z | x) for points (..., D)."""
        projected = (self._point(x) - self.mean) @ self.weight
        inverse = linalg.inv(self.precision)
        inverse = (inverse + inverse.mT) / 2
        return MultivariateNormal(projected @ inverse, self.sd**2 * inverse)

    @classmethod
    def fit(cls, x: ArrayLike, latent: int) -> "LinearGaussian":
        """The model of greatest likelihood for points (N, D) with `latent` < D dimensions.

        Raises:
            ValueError: x is no such array, or latent is not between 1 and D - 1, or nothing is left for the noise.
        """
        points = np.asarray(x, np.float64)
        if points.ndim != 2 or not 0 < latent < points.shape[1]:
            raise ValueError(f"fit needs points (N, D) and 1 <= latent < D, found shape {points.shape} and {latent}")
        mean = points.mean(0)
        values, vectors = np.linalg.eigh(np.cov(points.T, bias=True))
        variance = values[:-latent].mean()
        if not variance > 1e-12 * values[-1]:
            raise ValueError(
                f"the points lie in {latent} dimensions: the noise has variance 0, the likelihood no bound"
            )
        kept = values[-latent:] - variance
        return cls(vectors[:, -latent:] * np.sqrt(kept), mean, float(np.sqrt(variance)))
