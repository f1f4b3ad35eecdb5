"""Ancestral sampling: which times it asks for, and the moments of its samples."""

import numpy as np
import pytest

from tinygen.checks.diffusion.gaussian_data import GaussianData
from tinygen.diffusion.sampler import ancestral_sample, ancestral_steps, reverse_variance
from tinygen.diffusion.schedule import cosine, linear
from tinygen.random import Generator
from tinygen.tensor import Tensor

SCHEDULE = linear(60, last=0.3)
X = Tensor(np.array([[-1.0], [0.0], [2.0]]))


def test_the_denoiser_sees_every_time_once_from_T_to_1():
    seen = []

    def denoise(x, t):
        seen.append(np.asarray(t).tolist())
        return x

    left = [t for t, _ in ancestral_steps(denoise, SCHEDULE, X, Generator(0))]
    assert seen == [[t] * 3 for t in range(60, 0, -1)]
    assert left == list(range(59, -1, -1))


def test_samples_have_the_moments_of_the_data():
    data, n = GaussianData(mean=1.5, s=0.7), 20_000
    x = np.asarray(
        ancestral_sample(
            data.denoiser(cosine(40)),
            cosine(40),
            (n, 1),
            Generator(5),
            data.reverse_variance(cosine(40)),
            dtype="float64",
        )
    )
    assert abs(x.mean() - data.mean) < 5 * data.s / np.sqrt(n)
    assert abs(x.var() - data.s**2) < 5 * data.s**2 * np.sqrt(2 / n)


def test_limits_clip_the_predicted_data():
    x = ancestral_sample(lambda x, t: -10.0 * x, SCHEDULE, (50, 1), Generator(0), limits=(-1.0, 1.0))
    assert np.abs(np.asarray(x)).max() <= 1.0


def test_an_unknown_variance_is_named():
    with pytest.raises(ValueError, match="'learned'"):
        reverse_variance(SCHEDULE, "learned")
