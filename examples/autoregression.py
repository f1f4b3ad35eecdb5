# %% [markdown]
# # One pixel after another, held to a law that can be counted
#
# Any law of several variables is a product of conditionals, p(x) = p(x_1) p(x_2 | x_1) p(x_3 | x_1, x_2) ..., and a
# network that gives every factor at once, each from what comes before it, is an exact likelihood. All that can go
# wrong is what a factor sees: too much (then p is no law at all) or too little (a blind spot). The gated PixelCNN (van
# den Oord et al. 2016) sees all that is above and all that is left, and nothing else.

# %%
import numpy as np

from tinygen import no_grad, optim
from tinygen.autoregressive.ancestral import ancestral
from tinygen.autoregressive.gated import GatedPixelCNN
from tinygen.autoregressive.masked import MaskedConv2d
from tinygen.random import Generator
from tinygen.testing import check_causal, check_normalised
from tinygen.testing.normalisation import all_states

rng = Generator(0)
H = W = 4
model = GatedPixelCNN(levels=2, width=24, layers=4, first=5, rng=rng)

# %% [markdown]
# ## It is a law, trained or not
#
# Three by three binary pixels have 512 states. Their probabilities sum to 1 for any weights: that is what causality
# buys. `check_causal` asks more: that every logit depends on every earlier pixel, and on no other.

# %%
check_normalised(model.log_prob, all_states((3, 3), dtype=np.int64))
double = GatedPixelCNN(levels=2, width=8, layers=4, first=3, rng=rng).to("float64")
check_causal(double.logits, np.asarray(rng.normal((1, 2, H, W), "float64")))

# %% [markdown]
# A convolution that is masked the same way in every layer, centre open, is the usual mistake. It is found, and named.

# %%
layer = MaskedConv2d(1, 1, 3, "B", rng=rng).to("float64")
try:
    check_causal(layer, np.asarray(rng.normal((1, 1, H, W), "float64")))
except AssertionError as found:
    print(str(found).splitlines()[0])
else:
    raise AssertionError("the open centre was not found")

# %% [markdown]
# ## A law that can be counted
#
# An Ising model: neighbours like to agree, p(x) ~ exp(b sum over neighbours s_i s_j) with s = 2 x - 1. On a 4 x 4 grid
# it has 65,536 states, so its normaliser, its entropy and everything else can be summed.

# %%
COUPLING = 0.5
states = all_states((H, W), dtype=np.int64)
spin = 2.0 * states - 1


def agreement(s: np.ndarray) -> np.ndarray:
    """The mean of s_i s_j over the neighbours of each grid (n, H, W)."""
    down, across = s[:, 1:] * s[:, :-1], s[:, :, 1:] * s[:, :, :-1]
    return np.concatenate([down.reshape(len(s), -1), across.reshape(len(s), -1)], axis=1).mean(axis=1)


energy = COUPLING * (2 * H * W - H - W) * agreement(spin)
log_p = energy - np.log(np.exp(energy - energy.max()).sum()) - energy.max()
p = np.exp(log_p)
entropy = float(-(p * log_p).sum())
print(f"{len(states):,} states, entropy {entropy:.4f} nats; independent fair pixels have {H * W * np.log(2):.4f}")


def draw(n: int) -> np.ndarray:
    """n grids of the Ising model, by the inverse of its distribution function."""
    u = np.asarray(rng.uniform((n,), "float64"))
    return states[np.minimum(np.searchsorted(np.cumsum(p), u), len(states) - 1)]


# %% [markdown]
# ## Training
#
# The loss is -log p of the model, exact. Its mean over the data is the entropy plus KL(data || model), so it cannot go
# below the entropy, and what is above it is the model's own.

# %%
STEPS = 800
optimiser = optim.Adam(model.parameters(), lr=3e-3)
decay = optim.LambdaLR(optimiser, optim.schedule.cosine(STEPS))
for step in range(STEPS):
    optimiser.zero_grad()
    loss = -model.log_prob(draw(128)).mean()
    loss.backward()
    optimiser.step()
    decay.step()
    if step % 200 == 0:
        print(f"step {step:4d}  {loss.item():.3f} nats")

# %% [markdown]
# ## Held to the count
#
# With all states at hand the divergence is a sum, not an estimate.

# %%
with no_grad():
    log_q = np.concatenate([np.asarray(model.log_prob(part)) for part in np.array_split(states, 32)]).astype(float)
kl = float((p * (log_p - log_q)).sum())
print(f"sum of q {np.exp(log_q).sum():.6f}; KL(data || model) {kl:.5f} nats")
assert abs(np.exp(log_q).sum() - 1) < 1e-4
assert 0 <= kl < 0.02

# %% [markdown]
# ## Sampling
#
# Pixel after pixel, each from its conditional. The mean agreement of neighbours is a sum over states in both laws.

# %%
N = 4000
sampled = 2.0 * ancestral(model, N, (H, W), rng) - 1
found = agreement(sampled)
by_model, by_data = (float((law * agreement(spin)).sum()) for law in (np.exp(log_q), p))
error = float(found.std() / np.sqrt(N))
print(f"agreement of neighbours: samples {found.mean():.4f} +- {error:.4f}, model {by_model:.4f}, data {by_data:.4f}")
assert abs(found.mean() - by_model) < 5 * error
