"""DDPM with the exact denoisers of `tinygen.truth`: what is left is the sampler, and it recovers the data."""

import math

import numpy as np
import pytest

from tinygen import truth
from tinygen.diffusion.objective import simple_loss
from tinygen.diffusion.sampler import ancestral_sample
from tinygen.diffusion.schedule import cosine
from tinygen.random import Generator
from tinygen.tensor import Tensor

N, SCHEDULE = 4000, cosine(100)


def best_denoiser(law, schedule):
    """The noise prediction E[e | x_t] of a law for a batch whose times are all the same."""
    noised = {}

    def denoise(x, t):
        step = int(np.asarray(t)[0])
        if step not in noised:
            noised[step] = law.at(schedule.alpha_bar[step])
        return noised[step].noise(x)

    return denoise


def drawn(law) -> np.ndarray:
    denoise = best_denoiser(law, SCHEDULE)
    return ancestral_sample(denoise, SCHEDULE, (N, 2), Generator(0), "beta", dtype="float64").numpy()


def test_a_mixture_comes_back_with_its_modes_and_its_entropy():
    """Counts within 5 standard errors of N / 8; -log p within 0.05 nats of the floor, which 100 steps leave."""
    law = truth.eight_gaussians()
    x = drawn(law)
    nearest = np.bincount(law.posterior(x).probs.numpy().argmax(1), minlength=8)
    assert (np.abs(nearest - N / 8) < 5 * math.sqrt(N * 7 / 64)).all()
    assert -law.log_prob(x).numpy().mean() == pytest.approx(law.entropy(), abs=0.05)


def test_points_come_back_as_points():
    """The best denoiser of a finite data set draws its points and nothing else, each as often as it should."""
    points, probs = np.array([[-1.0, 0.0], [0.5, 1.0], [1.0, -1.0]]), np.array([0.5, 0.2, 0.3])
    x = drawn(truth.DiscreteTable(probs, points))
    distance = np.linalg.norm(x[:, None] - points, axis=2)
    assert distance.min(1).max() < 1e-3
    share = np.bincount(distance.argmin(1), minlength=3) / N
    assert (np.abs(share - probs) < 5 * np.sqrt(probs * (1 - probs) / N)).all()


def test_the_checkerboard_comes_back_on_its_squares():
    x = drawn(truth.checkerboard())
    assert np.isfinite(truth.checkerboard().log_prob(x).numpy()).mean() > 0.97
    square = np.floor(x / 2).astype(int)
    squares = [(i, j) for i in range(-2, 2) for j in range(-2, 2) if (i + j) % 2 == 0]
    counts = np.array([(square == place).all(1).sum() for place in squares])
    assert (np.abs(counts - N / 8) < 5 * math.sqrt(N * 7 / 64) + 0.03 * N / 8).all()


def test_the_least_simple_loss_of_correlated_gaussian_data():
    """E|e - E[e | x_t]|^2 = sum over eigenvalues l of a l / (a l + 1 - a), averaged over t; mean over entries."""
    covariance = np.array([[2.0, 0.8], [0.8, 0.5]])
    law, schedule = truth.Gaussian([1.0, -1.0], covariance), cosine(20)

    def denoise(x, t):
        times, found = np.asarray(t), np.empty(x.shape)
        for step in np.unique(times):
            found[times == step] = law.at(schedule.alpha_bar[step]).noise(x.numpy()[times == step]).numpy()
        return Tensor(found)

    a = schedule.alpha_bar[1:, None] * np.linalg.eigvalsh(covariance)
    least = (a / (a + 1 - schedule.alpha_bar[1:, None])).mean()
    rng = Generator(1)
    x_0 = law.sample(100_000, rng)
    assert simple_loss(denoise, schedule, x_0, rng).item() == pytest.approx(least, abs=0.01)
