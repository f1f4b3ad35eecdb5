"""The ELBO on the linear model: log p(x) = ELBO + KL(q || p(z | x)), exactly (CHECKS 3)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_gaussian import SigmaNoise, gauss_hermite, random_model, repeated

import tinygen as tg
from tinygen.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from tinygen.tensor import Tensor
from tinygen.vae.elbo import Terms, elbo_terms, log_weights, negative_elbo


def check_exact_posterior(weights_of, seed: int = 0, latent: int = 2) -> None:
    """With q = p(z | x) the weight is p(x), whichever z it is taken at."""
    model, x = random_model(seed, latent=latent)
    z = Tensor(3.0 * np.random.default_rng(seed).normal(size=(20, len(x), latent)))
    found = np.asarray(weights_of(model.log_likelihood(x), z, model.posterior(x), model.prior(len(x))))
    np.testing.assert_allclose(found, np.broadcast_to(model.log_prob(x), found.shape), rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 1000), latent=st.integers(1, 4))
def test_with_the_exact_posterior_every_sample_gives_log_p(seed, latent):
    check_exact_posterior(log_weights, seed, latent)


MISTAKES = {
    "the sign of the likelihood": lambda f, z, q, p: -f(z) + p.log_prob(z) - q.log_prob(z),
    "the sign of the KL": lambda f, z, q, p: f(z) - p.log_prob(z) + q.log_prob(z),
    "no prior": lambda f, z, q, p: f(z) - q.log_prob(z),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_sign_is_found(mistake):
    with pytest.raises(AssertionError):
        check_exact_posterior(MISTAKES[mistake])


def exact_elbo(model, x, means: Tensor, scales: Tensor) -> Tensor:
    """E_q log w for q = N(means, diag scales^2), by a quadrature that is exact here: (N,)."""
    e, weights = gauss_hermite(2)
    z = means + scales * Tensor(e[:, None])
    q = Independent(Normal(means, scales))
    return (log_weights(model.log_likelihood(x), z, q, model.prior(len(x))) * Tensor(weights[:, None])).sum(axis=0)


def test_what_the_elbo_lacks_is_the_kl_to_the_posterior():
    model, x = random_model(3)
    rng = np.random.default_rng(0)
    means, scales = Tensor(rng.normal(size=(6, 2))), Tensor(rng.uniform(0.2, 2.0, (6, 2)))
    kl = kl_divergence(MultivariateNormal(means, variance=scales**2), model.posterior(x))
    np.testing.assert_allclose(
        np.asarray(exact_elbo(model, x, means, scales) + kl), model.log_prob(x), rtol=1e-9, atol=1e-9
    )


def test_the_gap_of_the_best_diagonal_posterior_is_known_and_no_other_is_better():
    model, x = random_model(4)
    best = model.diagonal_posterior(x)
    means = tg.tensor(np.asarray(best.mean), requires_grad=True)
    scales = tg.tensor(np.asarray(best.stddev), requires_grad=True)
    elbo = exact_elbo(model, x, means, scales)
    gap = 0.5 * (np.log(np.diag(model.M)).sum() - np.linalg.slogdet(model.M)[1])
    assert gap > 0.01
    np.testing.assert_allclose(model.log_prob(x) - np.asarray(elbo), gap, rtol=1e-8)
    for slope in tg.grad(elbo.sum(), (means, scales)):
        np.testing.assert_allclose(np.asarray(slope), 0.0, atol=1e-9)


def test_the_terms_at_one_z_are_unbiased_for_the_elbo():
    model, x = random_model(5)
    best = model.diagonal_posterior(x)
    copies = len(repeated(x, 2)) // len(x)
    q = Independent(Normal(np.tile(best.mean, (copies, 1)), np.tile(best.stddev, (copies, 1))))
    many = repeated(x, 2)
    terms = elbo_terms(model.log_likelihood(many), q, model.prior(len(many)), SigmaNoise())
    mean = np.asarray(terms.elbo).reshape(copies, -1).mean(axis=0)
    np.testing.assert_allclose(mean, np.asarray(exact_elbo(model, x, best.mean, best.stddev)), rtol=1e-9)


def test_the_loss_weighs_the_kl_and_nothing_else():
    terms = Terms(Tensor(np.array([-3.0, -5.0])), Tensor(np.array([1.0, 4.0])))
    assert negative_elbo(terms).item() == -np.asarray(terms.elbo).mean() == 6.5
    assert negative_elbo(terms, 3.0).item() == 4.0 + 3 * 2.5
