"""DDIM on batches: which times it asks for, clipping, and the ancestral sampler as its case eta = 1."""

import numpy as np
import pytest

from tinygen.checks.diffusion.gaussian_data import GaussianData
from tinygen.diffusion.ddim import ddim_steps
from tinygen.diffusion.sampler import ancestral_steps
from tinygen.diffusion.schedule import linear
from tinygen.random import Generator
from tinygen.tensor import Tensor

SCHEDULE = linear(60, last=0.3)
X = Tensor(np.array([[-1.0], [0.0], [2.0]]))


def test_with_eta_1_it_is_ancestral_sampling_with_the_posterior_variance():
    """The same draws of noise give the same path, down to t = 1: there only DDIM draws one more, times 0."""
    denoise = GaussianData(0.3, 0.8).denoiser(SCHEDULE)
    ours = list(ddim_steps(denoise, SCHEDULE, X, Generator(1), eta=1.0))
    theirs = list(ancestral_steps(denoise, SCHEDULE, X, Generator(1), "posterior"))
    assert [t for t, _ in ours] == [t for t, _ in theirs]
    for (_, a), (_, b) in zip(ours, theirs):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)


def test_the_network_is_asked_at_the_visited_times_only():
    seen = []

    def denoise(x, t):
        seen.append(int(t[0]))
        return x

    assert [t for t, _ in ddim_steps(denoise, SCHEDULE, X, Generator(0), times=[5, 20, 60])] == [20, 5, 0]
    assert seen == [60, 20, 5]


def test_limits_clip_the_predicted_data():
    *_, (_, x) = ddim_steps(lambda x, t: -10.0 * x, SCHEDULE, X, Generator(0), limits=(-1.0, 1.0))
    assert np.abs(x.numpy()).max() <= 1.0 + 1e-12


@pytest.mark.parametrize(("options", "complaint"), [({"eta": 1.5}, "eta is from 0 to 1"), ({"times": [3, 2]}, "rise")])
def test_what_is_no_sampler_is_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        next(ddim_steps(lambda x, t: x, SCHEDULE, X, Generator(0), **options))
