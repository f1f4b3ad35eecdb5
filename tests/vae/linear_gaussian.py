"""x = W z + mu + s e with z ~ N(0, I): every quantity of a latent variable model is known; and exact expectations."""

import math
from dataclasses import dataclass

import numpy as np

from tinygen.distributions import Independent, MultivariateNormal, Normal
from tinygen.random import Generator
from tinygen.tensor import Tensor


@dataclass(frozen=True, eq=False)
class LinearGaussian:
    """The model of probabilistic PCA: W (D, q), mean (D,), standard deviation s."""

    W: np.ndarray
    mean: np.ndarray
    s: float

    @property
    def M(self) -> np.ndarray:
        """W^T W + s^2 I."""
        return self.W.T @ self.W + self.s**2 * np.eye(self.W.shape[1])

    @property
    def marginal(self) -> MultivariateNormal:
        """p(x) = N(mean, W W^T + s^2 I)."""
        return MultivariateNormal(self.mean, self.W @ self.W.T + self.s**2 * np.eye(len(self.mean)))

    def posterior_mean(self, x: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self.M, self.W.T @ (x - self.mean).T).T

    def posterior(self, x: np.ndarray) -> MultivariateNormal:
        """p(z | x) = N(M^-1 W^T (x - mean), s^2 M^-1), a batch (N,)."""
        return MultivariateNormal(self.posterior_mean(x), self.s**2 * np.linalg.inv(self.M))

    def diagonal_posterior(self, x: np.ndarray) -> Independent:
        """The diagonal law nearest to it in KL(q || p(z | x)): its mean, and the variances s^2 / M_ii."""
        mean = self.posterior_mean(x)
        return Independent(Normal(mean, np.broadcast_to(self.s / np.sqrt(np.diag(self.M)), mean.shape)))

    def log_likelihood(self, x: np.ndarray):
        """z (..., N, q) -> log p(x | z) (..., N)."""
        W, mean = Tensor(self.W), Tensor(self.mean)
        return lambda z: Independent(Normal(z @ W.T + mean, self.s)).log_prob(x)

    def prior(self, n: int) -> Independent:
        zeros = np.zeros((n, self.W.shape[1]))
        return Independent(Normal(zeros, zeros + 1.0))

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.marginal.log_prob(x))


def random_model(seed: int = 0, size: int = 4, latent: int = 2, s: float = 0.5) -> tuple[LinearGaussian, np.ndarray]:
    """A model whose columns of W are not orthogonal, and six points x from near it."""
    rng = np.random.default_rng(seed)
    model = LinearGaussian(rng.normal(size=(size, latent)), rng.normal(size=size), s)
    x = model.mean + rng.normal(size=(6, latent)) @ model.W.T + s * rng.normal(size=(6, size))
    return model, x


def gauss_hermite(size: int, nodes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Points (S, size) and weights (S,) that give expectations under N(0, I) of polynomials of degree 2 nodes - 1."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*[z] * size, indexing="ij"), -1).reshape(-1, size)
    weights = np.stack(np.meshgrid(*[w / w.sum()] * size, indexing="ij"), -1).reshape(-1, size).prod(1)
    return grid, weights


def sigma_points(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """2 D points (2 D, D) with exactly that mean and covariance."""
    size = len(mean)
    values, vectors = np.linalg.eigh(covariance)
    root = math.sqrt(size) * np.sqrt(values) * vectors
    return mean + np.concatenate([root.T, -root.T])


class SigmaNoise(Generator):
    """Noise of mean 0 and covariance I exactly, over batches made by `repeated`: quadratic losses lose their chance."""

    def __init__(self) -> None:
        super().__init__(0)

    def normal(self, shape, dtype=np.float64, device=None):
        count, size = shape
        points = sigma_points(np.zeros(size), np.eye(size))
        return Tensor(np.repeat(points, count // len(points), axis=0).astype(dtype))


def repeated(x: np.ndarray, size: int) -> np.ndarray:
    """`x` once for each of the 2 size sigma points of noise in `size` dimensions."""
    return np.tile(x, (2 * size, 1))


def minimise(model, batch: dict[str, np.ndarray], rng: Generator, steps: int, lr: float) -> float:
    """Adam on the whole batch with a cosine's decay; the last loss."""
    from tinygen import optim

    optimiser = optim.Adam(model.parameters(), lr=lr)
    schedule = optim.LambdaLR(optimiser, optim.schedule.cosine(steps))
    for _ in range(steps):
        optimiser.zero_grad()
        loss, _ = model.loss(batch, rng)
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.loss(batch, rng)[0].item()
