"""The ELBO and its parts, on the linear model; what it lacks of log p(x) is in the checks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from linear_gaussian import diagonal_posterior, log_likelihood, prior, random_model

from tinygen.checks.expectations import crossed
from tinygen.distributions import MultivariateNormal, kl_divergence
from tinygen.tensor import Tensor
from tinygen.vae.elbo import Terms, elbo_terms, log_weights, negative_elbo


@given(seed=st.integers(0, 1000), latent=st.integers(1, 4))
def test_with_the_exact_posterior_every_sample_gives_log_p(seed, latent):
    law, x = random_model(seed, latent=latent)
    z = Tensor(3.0 * np.random.default_rng(seed).normal(size=(20, 6, latent)))
    found = log_weights(log_likelihood(law, x), z, law.posterior(x), prior(law)).numpy()
    np.testing.assert_allclose(found, np.broadcast_to(law.log_prob(x).numpy(), (20, 6)), rtol=1e-9, atol=1e-9)


def test_the_terms_at_one_z_are_unbiased_for_the_elbo():
    law, x = random_model(5)
    many, noise = crossed(x.numpy(), 2)
    terms = elbo_terms(log_likelihood(law, Tensor(many)), diagonal_posterior(law, Tensor(many)), prior(law, 24), noise)
    best = diagonal_posterior(law, x)
    gap = kl_divergence(MultivariateNormal(best.mean, variance=best.variance), law.posterior(x))
    mean = terms.elbo.numpy().reshape(4, 6).mean(axis=0)
    np.testing.assert_allclose(mean, (law.log_prob(x) - gap).numpy(), rtol=1e-9)


def test_the_loss_weighs_the_kl_and_nothing_else():
    terms = Terms(Tensor(np.array([-3.0, -5.0])), Tensor(np.array([1.0, 4.0])))
    assert negative_elbo(terms).item() == -np.asarray(terms.elbo).mean() == 6.5
    assert negative_elbo(terms, 3.0).item() == 4.0 + 3 * 2.5
