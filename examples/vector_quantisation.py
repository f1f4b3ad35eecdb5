# %% [markdown]
# # Vector quantisation, held to the best there is
#
# A VQ-VAE (van den Oord, Vinyals and Kavukcuoglu 2017) makes its code of integers: each vector that leaves the encoder
# is replaced by the nearest of K codes. Choosing has no gradient, so the encoder is given the decoder's as if nothing
# had happened (straight-through), and the codes are drawn to the vectors that choose them: k-means, batch by batch.
# Quantisers are an old subject, and their best errors are known.

# %%
import math

import numpy as np

from tinygen import grad, optim, tensor, truth
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.vq.quantiser import Quantiser, perplexity, usage
from tinygen.vq.vqvae import QuantisedAutoencoder

rng = Generator(0)

# %% [markdown]
# ## Where the gradients go
#
# With z the vectors, e the codes they choose and sg what lets no gradient through, the loss is
#
#     reconstruction(e as z) + |sg(z) - e|^2 + beta |z - sg(e)|^2.
#
# The first and the last move the encoder, the middle one the codes, and only those that were chosen.

# %%
small = Quantiser(4, 2, learned=True, rng=rng).to("float64")
z = tensor(np.asarray(rng.normal((5, 2), "float64")), requires_grad=True)
quantised = small(z)
cotangent = np.asarray(rng.normal((5, 2), "float64"))
(straight,) = grad((quantised.z * cotangent).sum(), z)
assert np.array_equal(np.asarray(straight), cotangent)  # as if z had gone through unchanged
(moved,) = grad(quantised.codebook_loss, small.codebook)
untouched = sorted(set(range(4)) - set(quantised.indices.tolist()))
print(f"codes chosen {sorted(set(quantised.indices.tolist()))}; the gradient of the others is 0")
assert not np.asarray(moved)[untouched].any()
commitment = grad(quantised.commitment_loss, [z, small.codebook], allow_unused=True)
assert commitment[1] is None
assert np.allclose(np.asarray(commitment[0]), 2 * (np.asarray(z) - np.asarray(small.codebook)[quantised.indices]) / 5)

# %% [markdown]
# ## Numbers
#
# Of all quantisers with K levels the best for a uniform number on [0, 1] has the mean error 1 / (12 K^2): K cells of
# width 1/K. For N(0, 1) and K = 2 the levels are +-sqrt(2 / pi), the error 1 - 2 / pi (Max 1960). A codebook that
# follows the moving averages of its vectors, with decay 0, is Lloyd's algorithm, and finds both.

# %%
N = 20_000


def quantiser_of(values: np.ndarray, codes: int, steps: int = 60) -> Quantiser:
    """A codebook of numbers after k-means and `steps` Lloyd steps."""
    found = Quantiser(codes, 1, decay=0.0, rng=rng).to("float64")
    vectors = tensor(values[:, None])
    found.start(vectors, rng)
    for _ in range(steps):
        found.follow(vectors, found.nearest(vectors), rng)
    return found


def error_of(found: Quantiser, values: np.ndarray) -> float:
    """The mean squared error."""
    vectors = tensor(values[:, None])
    return float(((np.asarray(found.lookup(found.nearest(vectors))) - np.asarray(vectors)) ** 2).mean())


uniform = (np.arange(N) + 0.5) / N  # the quantiles themselves: no luck is involved
for codes in (2, 4, 8):
    error = error_of(quantiser_of(uniform, codes, 400), uniform)
    print(f"uniform, {codes} levels: error {error:.3e}, least {1 / (12 * codes**2):.3e}")
    assert abs(error * 12 * codes**2 - 1) < 1e-2

normal = np.asarray(rng.normal((N,), "float64"))
two = quantiser_of(normal, 2)
levels = np.sort(np.asarray(two.codebook).ravel())
print(f"normal, 2 levels: {levels.round(3)} for +-{math.sqrt(2 / math.pi):.3f}, error {error_of(two, normal):.4f}")
assert np.allclose(levels, [-math.sqrt(2 / math.pi), math.sqrt(2 / math.pi)], atol=0.03)
assert abs(error_of(two, normal) - (1 - 2 / math.pi)) < 0.02

# %% [markdown]
# ## An autoencoder
#
# Twenty-five small normal laws on a grid, standard deviation 0.05. Codes that each stand for one component leave the
# error within it, the variance of two coordinates: 2 x 0.05^2 = 0.005, or less where a component has several. Lloyd's
# steps only find local minima, in which a code may serve two components while two codes share another, so there are 40
# codes here and a code that nobody uses is put where the data is. The encoder and the decoder know nothing of the grid.

# %%
STEPS, CODES = 1500, 40
data = truth.grid()
encoder, decoder = MLP((2,), (4,), (64,), rng=rng), MLP((4,), (2,), (64,), rng=rng)
model = QuantisedAutoencoder(encoder, Quantiser(CODES, 4, decay=0.9, revival=0.1, rng=rng), decoder, beta=0.25)
optimiser = optim.Adam(model.parameters(), lr=2e-3)
decay = optim.LambdaLR(optimiser, optim.schedule.cosine(STEPS))
for step in range(STEPS):
    batch = {"x": np.asarray(data.sample(500, rng), np.float32)}
    if step == 0:
        model.quantiser.start(encoder(tensor(batch["x"])), rng)
    optimiser.zero_grad()
    loss, terms = model.loss(batch, rng)
    loss.backward()
    optimiser.step()
    decay.step()
    model.quantiser.follow(*model.seen, rng)
    if step % 300 == 0:
        print(f"step {step:4d}  error {terms['reconstruction'].item():.4f}  perplexity {terms['perplexity']:.1f}")

# %%
x = np.asarray(data.sample(5000, rng), np.float32)
codes = model.codes(x)
back = np.asarray(model.decode(codes))
component, _ = data.nearest(x)
mean_error = float(((x - back) ** 2).sum(axis=1).mean())
spread = perplexity(usage(codes, CODES))
owners = {code: set(np.asarray(component)[codes == code].tolist()) for code in np.unique(codes)}
shared = sum(len(found) > 1 for found in owners.values())
print(f"error {mean_error:.4f}, within a component {2 * 0.05**2:.4f}; perplexity {spread:.1f}, at least 25 or so")
assert shared == 0
assert mean_error < 2 * 0.05**2 + 0.002  # the decoder's own error is on top
assert 24 < spread <= CODES
