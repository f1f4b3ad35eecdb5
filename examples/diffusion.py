# %% [markdown]
# # Diffusion, held to its closed forms
#
# Noise is added to data in T small steps until nothing is left but a normal law; a network learns to undo one step,
# and doing so T times from pure noise draws new data (Ho, Jain and Abbeel 2020). Every law on the way is known:
#
#     x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e,   e ~ N(0, I),   a_t = alpha_bar_t from 1 down to about 0.
#
# The network predicts e from x_t by least squares, so what it should learn is the conditional mean E[e | x_t]. Where
# the law of the data is known so is that mean, and this lesson uses it twice: with the exact mean, everything that
# diffusion claims must come out; and what a network has learned can be measured against it.

# %%
import numpy as np

from tinygen import no_grad, optim, truth
from tinygen.diffusion import schedule
from tinygen.diffusion.ddpm import DDPM
from tinygen.diffusion.process import q_sample
from tinygen.diffusion.sampler import ancestral_sample
from tinygen.nets.mlp import TimeMLP
from tinygen.random import Generator
from tinygen.tensor import Tensor

T = 100
noise_schedule = schedule.cosine(T)
data = truth.eight_gaussians()
rng = Generator(0)

# %% [markdown]
# ## With the exact denoiser
#
# For data N(m, s^2) the best prediction is linear, sqrt(1 - a_t) (x_t - sqrt(a_t) m) / V with V = a_t s^2 + 1 - a_t,
# and no prediction can have a loss below a_t s^2 / V: the noise that cannot be told from data. Here s = 1/2, m = 2.

# %%
m, s = 2.0, 0.5
a = noise_schedule.alpha_bar
v = a * s**2 + 1 - a


def exact(x: Tensor, t: Tensor) -> Tensor:
    """E[e | x_t] of the normal law, for x (N, 1) and t (N,)."""
    index = np.asarray(t)
    gain = (np.sqrt(1 - a[index]) / v[index])[:, None]
    return gain * (x - m * np.sqrt(a[index])[:, None])


N = 200_000
x_0, noise = m + s * rng.normal((N, 1), "float64"), rng.normal((N, 1), "float64")
for time in (1, 20, 50, 80):
    t = Tensor(np.full(N, time))
    squares = np.asarray((exact(q_sample(noise_schedule, x_0, t, noise), t) - noise) ** 2)
    least = a[time] * s**2 / v[time]
    error = squares.std() / np.sqrt(N)
    print(f"t = {time:3d}  loss {squares.mean():.4f} +- {error:.4f}, least possible {least:.4f}")
    assert abs(squares.mean() - least) < 5 * error

# %% [markdown]
# ## Sampling
#
# Algorithm 2 goes from x_T ~ N(0, I) down to x_0. Its steps add noise of variance sigma_t^2; with the variance that the
# true reverse step has, the samples of the exact denoiser are samples of the data.

# %%
before = np.concatenate([[1.0], a[:-1]])
weight = np.sqrt(before[1:]) * noise_schedule.beta[1:] / (1 - a[1:])  # of x_0 in the mean of q(x_{t-1} | x_t, x_0)
reverse_variance = noise_schedule.posterior_variance.copy()
reverse_variance[1:] += weight**2 * s**2 * (1 - a[1:]) / v[1:]
drawn = np.asarray(ancestral_sample(exact, noise_schedule, (N, 1), rng, reverse_variance, dtype="float64"))
print(f"samples: mean {drawn.mean():.3f} for {m}, deviation {drawn.std():.3f} for {s}")
assert abs(drawn.mean() - m) < 5 * s / np.sqrt(N)
# One thing is lost: the last step adds no noise, and gives x_0 the variance of E[x_0 | x_1] rather than that of x_0.
last = s**2 - s**2 * (1 - a[1]) / v[1]
assert abs(drawn.var() - last) < 5 * last * np.sqrt(2 / N)

# %% [markdown]
# ## A network
#
# Eight normal laws on a circle. Of these, too, E[e | x_t] is known: the noised data is a mixture again, and by
# Tweedie's formula the best prediction is -sqrt(1 - a_t) times the score of that mixture. So the loss of a network
# splits into what nobody can avoid and what is its own: the mean squared distance to E[e | x_t].

# %%
STEPS = 6000
model = DDPM(TimeMLP(2, (128, 128, 128), rng=rng), noise_schedule, (2,), variance="posterior")
optimiser = optim.Adam(model.parameters(), lr=2e-3)
decay = optim.LambdaLR(optimiser, optim.schedule.cosine(STEPS))
average = optim.EMA(model, 0.998)
for step in range(STEPS):
    optimiser.zero_grad()
    loss, _ = model.loss({"x": np.asarray(data.sample(512, rng))}, rng)
    loss.backward()
    optimiser.step()
    decay.step()
    average.update()
    if step % 1000 == 0:
        print(f"step {step:4d}  loss {loss.item():.3f}")


# %%
def own_loss(time: int, n: int = 4000) -> tuple[float, float]:
    """What the network's prediction at `time` is off by, and the least loss there, both per dimension."""
    noised = data.at(float(a[time]))
    x_t = noised.sample(n, rng)
    best = np.asarray(noised.noise(x_t))
    with no_grad():
        found = np.asarray(model.net(x_t.to("float32"), Tensor(np.full(n, time))))
    return float(((found - best) ** 2).mean()), float(1 - (best**2).mean())  # E|e|^2 = 1 splits in two


with average.applied():
    excess = 0.0
    for time in (5, 20, 40, 60, 80, 95):
        off, least = own_loss(time)
        excess = max(excess, off)
        print(f"t = {time:3d}  unavoidable {least:.4f}, the network's own {off:.4f}")
    assert excess < 0.01
    samples = np.asarray(model.sample(5000, rng), dtype=np.float64)

# %% [markdown]
# ## Held to the truth
#
# Each sample belongs to the nearest of the eight centres. All are found, none much more often than another, and the
# samples cost about as many nats as the data itself: its entropy.

# %%
angle = np.arctan2(samples[:, 1], samples[:, 0])
share = np.bincount(np.rint(angle / (np.pi / 4)).astype(int) % 8, minlength=8) / len(samples)
cost = float(-np.asarray(data.log_prob(samples)).mean())
print(f"share of each: {share.min():.3f} to {share.max():.3f} for {1 / 8}")
print(f"mean -log p of samples {cost:.3f} nats, entropy of the data {data.entropy():.3f}")
assert share.min() > 0.09
assert share.max() < 0.16
assert abs(cost - data.entropy()) < 0.15
