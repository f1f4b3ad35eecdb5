"""Annealed importance sampling on the linear model, where log p(x) is known."""

import math

import numpy as np
import pytest
from linear_gaussian import log_likelihood, prior, random_model

from tinygen.distributions import Independent, Normal
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.annealed import annealed_log_prob, hamiltonian_step
from tinygen.vae.importance import estimate_bound


def annealed(law, x, **options):
    """From the prior."""
    return annealed_log_prob(log_likelihood(law, x), prior(law), prior(law), Generator(0), **options)


def test_from_the_prior_it_finds_log_p_where_plain_importance_sampling_does_not():
    law, x = random_model(2, size=10, latent=4, s=0.2)
    truth = law.log_prob(x).numpy()
    found = annealed(law, x, chains=60, temperatures=150, step_size=0.12, leapfrog=6)
    assert 0.6 < found.acceptance < 0.99
    np.testing.assert_allclose(found.log_p, truth, atol=0.5)
    plain = estimate_bound(log_likelihood(law, x), prior(law), prior(law), 60 * 150, Generator(1), at_once=3000)
    assert np.abs(plain - truth).max() > 5 * np.abs(found.log_p - truth).max()


def test_the_weights_are_unbiased_for_p_however_short_the_path():
    law, x = random_model(1, size=2, latent=1, s=1.0)
    found = annealed(law, x, chains=4000, temperatures=4, step_size=0.4, leapfrog=3)
    ratio = np.exp(found.log_w - law.log_prob(x).numpy())  # mean 1
    assert (np.abs(ratio.mean(axis=0) - 1) < 5 * ratio.std(axis=0) / math.sqrt(4000)).all()
    assert ratio.std() > 0.05


def test_one_temperature_is_importance_sampling():
    law, x = random_model(2)
    found = annealed(law, x, chains=30, temperatures=1)
    plain = estimate_bound(log_likelihood(law, x), prior(law), prior(law), 30, Generator(0))
    np.testing.assert_allclose(found.log_p, plain, rtol=1e-12)


def test_from_the_posterior_every_weight_is_p():
    law, x = random_model(3)
    found = annealed_log_prob(log_likelihood(law, x), law.posterior(x), prior(law), Generator(0), 3, 5)
    np.testing.assert_allclose(found.log_w, np.broadcast_to(law.log_prob(x).numpy(), (3, 6)), rtol=1e-9)


def test_a_hamiltonian_step_keeps_the_law_it_is_given():
    law = Independent(Normal(np.array([1.0, -2.0]), np.array([0.5, 2.0])))
    rng = Generator(0)
    z = law.sample(rng, (20_000,))
    for _ in range(2):
        z, moved = hamiltonian_step(law.log_prob, z, rng, step_size=0.7, leapfrog=4)
    assert 0.3 < moved.mean() < 0.99  # so that the test of acceptance is what keeps it
    standard = (np.asarray(z) - np.asarray(law.mean)) / np.asarray(law.stddev)
    assert np.abs(standard.mean(0)).max() < 5 / math.sqrt(len(z))
    assert np.abs((standard**2).mean(0) - 1).max() < 5 * math.sqrt(2 / len(z))


def test_a_proposal_that_leaves_the_numbers_is_rejected():
    z = Tensor(np.ones((4, 1)))
    far, moved = hamiltonian_step(lambda z: -(z**4).sum(axis=-1), z, Generator(0), step_size=1e3, leapfrog=10)
    assert not moved.any()
    np.testing.assert_array_equal(np.asarray(far), 1.0)


@pytest.mark.parametrize("option", ["chains", "temperatures", "leapfrog", "step_size", "power"])
def test_counts_below_1_are_refused(option):
    with pytest.raises(ValueError, match=option):
        annealed(*random_model(), **{option: 0})
