"""Latent variables, divergences and densities."""

from mutant import Mutant

KL, MMD, VAE = "tinygen/distributions/kl.py", "tinygen/divergence/mmd.py", "tinygen/vae/vae.py"
AUTOENCODER, ESTIMATORS = "tinygen/vae/autoencoder.py", "tinygen/vae/estimators.py"
ELBO, IMPORTANCE = "tinygen/vae/elbo.py", "tinygen/vae/importance.py"

MUTANTS = [
    # -- divergences -----------------------------------------------------------------------------------------
    Mutant(
        "KL of Gaussians with the two determinants exchanged",
        KL,
        "distance + b.log_det() - a.log_det()",
        "distance - b.log_det() + a.log_det()",
        "divergence.kl_gaussians vae.elbo_gap",
    ),
    Mutant(
        "Woodbury's correction added where it is to be subtracted",
        "tinygen/distributions/covariance.py",
        "ops.sum(x**2 / self._variance, -1) - ops.sum(solve_rows",
        "ops.sum(x**2 / self._variance, -1) + ops.sum(solve_rows",
        "divergence.kl_gaussians",
    ),
    Mutant(
        "KL of Laplaces that decays with the other law's scale",
        KL,
        "ratio * ops.exp(-distance / p.scale)",
        "ratio * ops.exp(-distance / q.scale)",
        "divergence.kl_laplaces divergence.kl_pairs",
    ),
    Mutant(
        "KL of gamma laws with the wrong shape before the ratio of the rates",
        KL,
        "+ a * (ratio - 1.0)",
        "+ b * (ratio - 1.0)",
        "divergence.kl_pairs",
    ),
    Mutant(
        "W1 as a sum of signed differences",
        "tinygen/divergence/wasserstein.py",
        "ops.sum(ops.abs(difference) * gaps, -1)",
        "ops.abs(ops.sum(difference * gaps, -1))",
        "divergence.transport_duality divergence.wasserstein_line",
    ),
    Mutant(
        "W1 of uniform laws whose distribution functions cross",
        "tinygen/divergence/wasserstein.py",
        "0.5 * (s**2 + t**2)",
        "0.5 * (s + t) ** 2",
        "divergence.wasserstein_line",
    ),
    Mutant(
        "both potentials of the transport program shifted the same way",
        "tinygen/divergence/transport.py",
        "return plan, f - shift, g + shift",
        "return plan, f - shift, g - shift",
        "divergence.transport_duality",
    ),
    Mutant(
        "Frechet distance as if the covariances commuted",
        "tinygen/divergence/gaussian.py",
        "linalg.trace(symmetric_root(root @ b @ root))",
        "linalg.trace(root @ symmetric_root(b))",
        "divergence.bures_distance",
    ),
    Mutant(
        "mean of the Gaussian kernel without the power n",
        MMD,
        "0.5 * size * math.log(2 * math.pi * bandwidth**2)",
        "0.5 * math.log(2 * math.pi * bandwidth**2)",
        "divergence.rbf_between_gaussians",
    ),
    Mutant(
        "unbiased MMD divided by all pairs, those of equal points too",
        MMD,
        "/ (n * (n - 1))",
        "/ (n * n)",
        "divergence.mmd_estimates",
    ),
    # -- densities -------------------------------------------------------------------------------------------
    Mutant(
        "Langevin's noise without the factor 2",
        "tinygen/density/langevin.py",
        "math.sqrt(2 * step) * rng.normal",
        "math.sqrt(step) * rng.normal",
        "density.langevin_variance density.metropolis_exact",
    ),
    Mutant(
        "Langevin's chain one step short",
        "tinygen/density/langevin.py",
        "for _ in range(steps):\n            state = _proposal(score,",
        "for _ in range(steps - 1):\n            state = _proposal(score,",
        "density.langevin_variance",
    ),
    Mutant(
        "Metropolis' ratio of the proposals upside down",
        "tinygen/density/langevin.py",
        "(there - back) / (4 * step)",
        "(back - there) / (4 * step)",
        "density.metropolis_exact",
    ),
    Mutant(
        "kernel density with the bandwidth for the variance",
        "tinygen/density/kernel_density.py",
        "super().__init__(points, float(bandwidth) ** 2)",
        "super().__init__(points, float(bandwidth))",
        "density.kernel_density_likelihood",
    ),
    Mutant(
        "eight Gaussians at another scale than FFJORD's",
        "tinygen/truth/mixture.py",
        "ring(8, 4 / 1.414, 0.5 / 1.414)",
        "ring(8, 4.0, 0.5)",
        "density.entropy_floors",
    ),
    # -- autoencoders ----------------------------------------------------------------------------------------
    Mutant(
        "squared error averaged over the dimensions",
        AUTOENCODER,
        "return squared_distance_by_example(x, reconstruction)",
        "return squared_distance_by_example(x, reconstruction) * (len(x) / x.size)",
        "vae.linear_autoencoder vae.linear_denoiser",
    ),
    Mutant(
        "the score of a denoiser over s in place of s^2",
        AUTOENCODER,
        "(self(x) - x) * (1.0 / self.noise**2)",
        "(self(x) - x) * (1.0 / self.noise)",
        "vae.linear_denoiser",
    ),
    # -- the bound -------------------------------------------------------------------------------------------
    Mutant(
        "importance weights without the prior",
        ELBO,
        "log_likelihood(z) + prior.log_prob(z) - posterior.log_prob(z)",
        "log_likelihood(z) - posterior.log_prob(z)",
        "vae.diagonal_gap vae.elbo_gap vae.exact_posterior_weights vae.k_sample_gradient",
    ),
    Mutant(
        "probabilistic PCA's M with the deviation for the variance",
        "tinygen/truth/linear_gaussian.py",
        "self.sd**2 * Tensor(np.eye(latent))",
        "self.sd * Tensor(np.eye(latent))",
        "vae.diagonal_gap vae.elbo_gap vae.linear_vae_likelihood vae.exact_posterior_weights",
    ),
    Mutant(
        "log variance taken for log deviation by the encoder",
        VAE,
        "ops.exp(h[:, self.latent :])",
        "ops.exp(0.5 * h[:, self.latent :])",
        "vae.linear_vae_likelihood vae.beta_tradeoff vae.k_sample_gradient",
    ),
    Mutant(
        "beta on the likelihood in place of the KL",
        ELBO,
        "(beta * terms.kl - terms.log_likelihood)",
        "(terms.kl - beta * terms.log_likelihood)",
        "vae.beta_tradeoff vae.posterior_collapse",
    ),
    Mutant(
        "a loss that never hears of beta",
        VAE,
        "negative_elbo(terms, self.beta)",
        "negative_elbo(terms)",
        "vae.beta_tradeoff vae.posterior_collapse",
    ),
    # -- importance weighting --------------------------------------------------------------------------------
    Mutant(
        "the bound of k samples without -log k",
        IMPORTANCE,
        "ops.logsumexp(log_w, 0) - math.log(log_w.shape[0])",
        "ops.logsumexp(log_w, 0)",
        "vae.exact_posterior_weights vae.k_sample_bound_rises",
    ),
    Mutant(
        "the mean of the log weights for the log of their mean",
        IMPORTANCE,
        "ops.logsumexp(log_w, 0) - math.log(log_w.shape[0])",
        "ops.mean(log_w, 0)",
        "vae.k_sample_bound_rises vae.k_sample_gradient",
    ),
    Mutant(
        "the effective sample size of squared weights, upside down",
        IMPORTANCE,
        "1.0 / ops.sum(normalised_weights(log_w) ** 2, 0)",
        "ops.sum(normalised_weights(log_w) ** 2, 0)",
        "vae.exact_posterior_weights vae.k_sample_gradient",
    ),
    Mutant(
        "samples of the bound that pass no gradient to the encoder",
        VAE,
        "posterior.rsample(along(rng, 1), (self.samples,))",
        "posterior.sample(along(rng, 1), (self.samples,))",
        "vae.k_sample_gradient",
    ),
    # -- estimators ------------------------------------------------------------------------------------------
    Mutant(
        "a reparameterised draw whose scale passes no gradient",
        "tinygen/distributions/location_scale.py",
        "self.loc + self.scale * self._noise",
        "self.loc + self.scale.detach() * self._noise",
        "vae.linear_vae_likelihood vae.beta_tradeoff vae.posterior_collapse vae.k_sample_gradient "
        "vae.reparameterised_gradient",
    ),
    Mutant(
        "a reparameterised draw with the variance for the deviation",
        "tinygen/distributions/location_scale.py",
        "self.loc + self.scale * self._noise",
        "self.loc + self.scale**2 * self._noise",
        "vae.reparameterised_gradient",
    ),
    Mutant(
        "REINFORCE with the sign of a reward",
        ESTIMATORS,
        "return cost + stop_gradient(cost - baseline)",
        "return cost - stop_gradient(cost - baseline)",
        "vae.best_baseline vae.reinforce_gradient vae.bernoulli_gradients",
    ),
    Mutant(
        "the mean cost as the best baseline",
        ESTIMATORS,
        "weights=power if weights is None else power * weights",
        "weights=weights",
        "vae.best_baseline",
    ),
    Mutant(
        "the sum over all bits as a mean over them",
        ESTIMATORS,
        "ops.sum(probability * cost(values))",
        "ops.mean(probability * cost(values))",
        "vae.bernoulli_gradients",
    ),
    Mutant(
        "straight-through with its gradient reversed",
        ESTIMATORS,
        "law.sample(rng) + law.probs - stop_gradient(law.probs)",
        "law.sample(rng) - law.probs + stop_gradient(law.probs)",
        "vae.straight_through_bias",
    ),
    # -- the KL in parts -------------------------------------------------------------------------------------
    Mutant(
        "the aggregate posterior without 1/N, which the sum of the parts does not show",
        "tinygen/vae/decomposition.py",
        "ops.logsumexp(ops.sum(against_all, -1), -1) - math.log(count)",
        "ops.logsumexp(ops.sum(against_all, -1), -1)",
        "vae.kl_decomposition",
    ),
]
