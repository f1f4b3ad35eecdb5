# %% [markdown]
# # A variational autoencoder, held to its closed form
#
# A latent variable model says that x was made from a hidden z: z ~ N(0, I), then x ~ p(x | z). Its likelihood
# p(x) = E p(x | z) is an integral that nobody can do when a network stands inside, so one maximises a lower bound
# instead (Kingma and Welling 2014). For any law q(z | x), by Jensen's inequality,
#
#     log p(x) >= E_q log p(x | z) - KL(q(z | x) || p(z)),
#
# and what is missing is KL(q(z | x) || p(z | x)). Both terms are in nats, sums over the dimensions.
#
# Where the networks are affine the integral can be done. The best such model is probabilistic PCA (Tipping and Bishop
# 1999), so here is a VAE whose answer is known.

# %%
import math

import numpy as np

from tinygen import optim
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.annealed import annealed_log_prob
from tinygen.vae.likelihood import Gaussian
from tinygen.vae.vae import VAE

D, LATENT, N = 6, 2, 1000
rng = Generator(0)
mixing = np.asarray(rng.normal((LATENT, D), dtype="float64"))
x = np.asarray(rng.normal((N, LATENT), dtype="float64")) @ mixing + 0.4 * np.asarray(
    rng.normal((N, D), dtype="float64")
)

# %% [markdown]
# ## The model
#
# The encoder gives mean and log standard deviation of q(z | x); the decoder the mean of p(x | z), whose scale is
# learned as well. `MLP` without hidden layers is affine; with hidden layers this is the model of `tinygen train vae`.

# %%
encoder = MLP((D,), (2 * LATENT,), (), rng=rng)
decoder = MLP((LATENT,), (D,), (), rng=rng)
model = VAE(encoder, decoder, Gaussian(), LATENT, (D,)).to("float64")

# %% [markdown]
# ## Training
#
# z = mean + deviation x noise, so that the bound has a gradient in both (the reparameterisation trick).

# %%
STEPS = 2500
optimiser = optim.Adam(model.parameters(), lr=0.02)
schedule = optim.LambdaLR(optimiser, optim.schedule.cosine(STEPS))
for step in range(STEPS):
    optimiser.zero_grad()
    loss, terms = model.loss({"x": x}, rng)
    loss.backward()
    optimiser.step()
    schedule.step()
    if step % 500 == 0:
        print(
            f"step {step:4d}  -ELBO {loss.item():.4f} = {terms['reconstruction'].item():.4f} + {terms['kl'].item():.4f}"
        )

# %% [markdown]
# ## Held to the closed form
#
# With l_1 >= ... >= l_D the eigenvalues of the data's covariance and s^2 the mean of those that the code leaves out,
# the greatest mean log-likelihood is -[D log 2 pi + sum_{j <= q} log l_j + (D - q) log s^2 + D] / 2. The bound reaches
# it: the exact posterior is a normal law that the encoder can express, and with it every z gives the same log p(x).

# %%
eigenvalues = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
left_out = eigenvalues[LATENT:].mean()
kept = np.log(eigenvalues[:LATENT]).sum()
best = -0.5 * (D * math.log(2 * math.pi) + kept + (D - LATENT) * math.log(left_out) + D)

elbo, bound = (model.log_prob(Tensor(x), rng, k).value.mean() for k in (1, 50))  # k = 1 is the ELBO
print(f"ELBO {elbo:.4f}, 50-sample bound {bound:.4f}, probabilistic PCA {best:.4f} nats a point")
assert abs(elbo - best) < 2e-3
assert abs(bound - best) < 2e-3

scale = math.exp(model.likelihood.log_scale.item())
print(f"scale of p(x|z) {scale:.4f}, known {math.sqrt(left_out):.4f}")
assert abs(scale - math.sqrt(left_out)) < 4e-3

# %% [markdown]
# ## Without an encoder
#
# Annealed importance sampling finds log p(x) of a few points from the decoder alone, by chains that go from the prior
# to the posterior in small steps: a check of the encoder that does not trust it.

# %%
few = Tensor(x[:20])
prior = model.prior(20)
annealed = annealed_log_prob(model.log_likelihood(few), prior, prior, rng, chains=50, temperatures=100, step_size=0.2)
with_encoder = model.log_prob(few, rng, k=50).value
print(f"mean log p(x) of 20 points: annealed {annealed.log_p.mean():.3f}, with the encoder {with_encoder.mean():.3f}")
assert abs(annealed.log_p.mean() - with_encoder.mean()) < 0.1
