# %% [markdown]
# # A model of your own
#
# A model is a module with `loss(batch, rng)` and `sample(n, rng)`. Here: a Gaussian density with a full covariance,
# fitted by gradient descent. Its answer is known, which is how one knows that the gradient, the optimiser and the
# sampler are right: the maximum-likelihood Gaussian has the mean and the covariance of the data.

# %%
import math

import numpy as np

import tinygen as tg
from tinygen import nn, optim
from tinygen.random import Generator


class Gaussian(nn.Module):
    """N(mean, L L^T) with L lower triangular."""

    def __init__(self, dimension: int):
        super().__init__()
        self.mean = nn.Parameter(np.zeros(dimension))
        self.factor = nn.Parameter(np.eye(dimension))

    def loss(self, batch, rng):
        """The mean negative log-density: |L^-1 (x - mean)|^2 / 2 + log|L| + d/2 log 2 pi."""
        factor = tg.tril(self.factor)
        z = tg.linalg.solve(factor, (tg.tensor(batch["x"]) - self.mean).T)
        misfit = 0.5 * (z * z).sum(axis=0).mean()
        volume = tg.log(tg.abs(tg.diagonal(factor))).sum()
        return misfit + volume + 0.5 * len(self.mean) * math.log(2 * math.pi), {"misfit": misfit, "volume": volume}

    def sample(self, n, rng, cond=None):
        z = rng.normal((n, len(self.mean)), dtype="float64")
        return self.mean + z @ tg.tril(self.factor).T


# %% [markdown]
# ## Data, and the loop

# %%
rng = Generator(0)
mixing = np.array([[2.0, 0.0, 0.0], [-1.0, 0.5, 0.0], [0.3, 0.2, 1.0]])
x = np.asarray(rng.normal((2000, 3), dtype="float64")) @ mixing.T + np.array([1.0, -2.0, 0.5])

model = Gaussian(3)
optimiser = optim.Adam(model.parameters(), lr=0.05)
for step in range(1500):
    optimiser.zero_grad()
    loss, terms = model.loss({"x": x}, rng)
    loss.backward()
    for group in optimiser.param_groups:
        group["lr"] = 0.05 * 0.5 * (1 + math.cos(math.pi * step / 1500))
    optimiser.step()
    if step % 250 == 0:
        print(f"step {step:4d}  loss {loss.item():.6f}")

# %% [markdown]
# ## Held to the closed form
#
# Mean and covariance are the data's, and the loss is the entropy of the fitted Gaussian,
# d/2 (1 + log 2 pi) + log|S| / 2.

# %%
covariance = np.cov(x.T, bias=True)
fitted = np.tril(np.asarray(model.factor))
least = 1.5 * (1 + math.log(2 * math.pi)) + 0.5 * np.linalg.slogdet(covariance)[1]
print(f"loss {loss.item():.9f}, least possible {least:.9f}")
np.testing.assert_allclose(np.asarray(model.mean), x.mean(axis=0), atol=1e-6)
np.testing.assert_allclose(fitted @ fitted.T, covariance, atol=1e-6)
assert abs(loss.item() - least) < 1e-9

samples = np.asarray(model.sample(100_000, rng))
np.testing.assert_allclose(np.cov(samples.T), covariance, atol=5 * 4.0 * math.sqrt(2 / 100_000))
print("mean, covariance, entropy and samples agree with the closed form")
