"""Linear autoencoders: principal components without noise, Wiener's filter with it (CHECKS 2)."""

from collections.abc import Iterator

import numpy as np

from tinygen.autodiff.transforms import jacobian
from tinygen.checks.expectations import crossed, sigma_points
from tinygen.checks.measurement import Measurement, at_least, equal
from tinygen.checks.registry import check
from tinygen.checks.vae.linear import affine, place, steepest, train
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.autoencoder import Autoencoder

D, Q = 4, 2
MEAN = np.array([0.5, -1.0, 0.0, 2.0])
EIGENVALUES = np.array([3.0, 1.0, 0.4, 0.2])
BASIS, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))
S = BASIS * EIGENVALUES @ BASIS.T
X = sigma_points(MEAN, S)
NOISE = 0.6


def _model(latent: int, noise: float = 0.0) -> Autoencoder:
    return Autoencoder(affine(D, latent, 0), affine(latent, D, 1), latent, noise).to("float64")


def _map(model: Autoencoder) -> np.ndarray:
    """The matrix of the affine map r."""
    return np.asarray(jacobian(lambda x: model(x.reshape(1, -1)).reshape(-1), Tensor(np.zeros(D))))


@check(
    2,
    "vae",
    "A linear autoencoder is principal component analysis",
    formula=r"\min E|x-r(x)|^2=\sum_{j>q}\lambda_j, \quad r(x)-\mu=U_qU_q^T(x-\mu)",
    statement="The least squared error of a linear autoencoder with q codes is the sum of the discarded eigenvalues of "
    "the covariance; its map projects on the first q eigenvectors.",
    source="Bourlard and Kamp 1988; Baldi and Hornik 1989",
)
def linear_autoencoder() -> Iterator[Measurement]:
    U, rng, batch = BASIS[:, :Q], Generator(0), {"x": X}
    least = EIGENVALUES[Q:].sum()
    model = _model(Q)
    place(model.encoder, U.T, -U.T @ MEAN)
    place(model.decoder, U, MEAN)
    yield equal("error of U U^T", model.loss(batch, rng)[0].item(), least)
    yield equal("gradient there", steepest(model, batch, rng), 0.0)
    for codes in ([0, 2], [2, 3]):
        V = BASIS[:, codes]
        place(model.encoder, V.T, -V.T @ MEAN)
        place(model.decoder, V, MEAN)
        yield at_least(f"error with eigenvectors {codes} instead", model.loss(batch, rng)[0].item(), least)
    model = _model(Q)
    yield equal("least error, by training", train(model, batch, rng, 400, 0.1), least, 1e-6)
    yield equal("its map", _map(model), U @ U.T, 1e-4)
    yield equal("its reconstruction of the mean", model(Tensor(MEAN[None])), MEAN[None], 1e-4)


@check(
    2,
    "vae",
    "A linear denoising autoencoder is Wiener's filter, and holds the score",
    formula=r"r(x)-\mu=S(S+s^2I)^{-1}(x-\mu), \quad \frac{r(x)-x}{s^2}=\nabla\log p_s(x)",
    statement="Trained to undo noise of standard deviation s, a linear autoencoder becomes S (S + s^2 I)^-1, and its "
    "correction over s^2 is the score of the noised data.",
    source="Vincent et al. 2008; Alain and Bengio 2014, theorem 1",
)
def linear_denoiser() -> Iterator[Measurement]:
    noised = S + NOISE**2 * np.eye(D)
    gain = S @ np.linalg.inv(noised)
    x, rng = crossed(X, D)
    batch = {"x": x}
    model = _model(D, NOISE)
    place(model.encoder, gain, -gain @ MEAN)
    place(model.decoder, np.eye(D), MEAN)
    yield equal("error of S (S + s^2 I)^-1", model.loss(batch, rng)[0].item(), NOISE**2 * np.trace(gain))
    # With the decoder held the loss is convex in the encoder: where its gradient is 0 it is least.
    yield equal("gradient there", steepest(model, batch, rng), 0.0)
    place(model.encoder, S, -S @ MEAN)
    place(model.decoder, np.linalg.inv(noised), MEAN)
    points = np.random.default_rng(1).normal(size=(5, D))
    yield equal("its map, in two factors", _map(model), gain)
    yield equal("(r(x) - x) / s^2", model.score(Tensor(points)), -np.linalg.solve(noised, (points - MEAN).T).T)
    model = _model(D, NOISE)
    yield equal("least error, by training", train(model, batch, rng, 400, 0.1), NOISE**2 * np.trace(gain), 1e-6)
    yield equal("its map", _map(model), gain, 1e-3)
