# %% [markdown]
# # Two players, held to their optimum
#
# A generator makes samples; a discriminator learns to tell them from data; the generator learns to be taken for data
# (Goodfellow et al. 2014). There is no likelihood to watch, but the theory says what the players should reach:
#
#     D*(x) = p(x) / (p(x) + q(x)),     V(D*) = 2 JS(p, q) - log 4,
#
# p the law of the data and q that of the samples. This lesson first lets a table play the discriminator, where both can
# be computed, and then two networks in the plane, where a perfect sampler's score is known.

# %%
import math

import numpy as np

from tinygen import grad, optim, tensor, truth
from tinygen.gan.losses import LOSSES
from tinygen.gan.penalties import gradient_penalty
from tinygen.gan.variants import GANConfig
from tinygen.learner import learner_of
from tinygen.metrics.coverage import mode_coverage
from tinygen.nn import Parameter
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor

rng = Generator(0)

# %% [markdown]
# ## A table for a discriminator
#
# Six points, two laws on them, one logit for each point. Trained by the loss of the saturating game, E_p softplus(-v) +
# E_q softplus(v), the table reaches D*, and the value of the game is a divergence between the laws.

# %%
p = np.array([0.3, 0.25, 0.2, 0.15, 0.07, 0.03])
q = np.array([0.05, 0.1, 0.2, 0.15, 0.3, 0.2])
loss = LOSSES["saturating"]
logits = Parameter(tensor(np.zeros(6)))
optimiser = optim.SGD([logits], lr=4.0)
for _ in range(4000):
    optimiser.zero_grad()
    cost = (p * loss.real(logits)).sum() + (q * loss.fake(logits)).sum()
    cost.backward()
    optimiser.step()
d = 1 / (1 + np.exp(-np.asarray(logits.detach())))
middle = (p + q) / 2
js = 0.5 * (p * np.log(p / middle)).sum() + 0.5 * (q * np.log(q / middle)).sum()
print(f"largest |D - D*| {np.abs(d - p / (p + q)).max():.1e}")
print(f"value {-cost.item():.6f}, 2 JS - log 4 = {2 * js - math.log(4):.6f}")
assert np.abs(d - p / (p + q)).max() < 1e-6
assert abs(-cost.item() - (2 * js - math.log(4))) < 1e-9

# %% [markdown]
# ## The generator's two losses
#
# Where the discriminator is sure of a sample, v << 0, the loss that the theory speaks of is flat: its slope in v is
# -D(x), and 1 - D(x) for the one that is used (section 3 of the paper). Their ratio is D / (1 - D).

# %%
v = tensor(np.array([-8.0, -2.0, 0.0, 2.0]), requires_grad=True)
saturating, used = (
    np.asarray(grad(LOSSES[name].generator(v).sum(), v)[0]) for name in ("saturating", "non-saturating")
)
for at, a, b in zip(np.asarray(v.detach()), saturating, used):
    print(f"logit {at:4.0f}: slope of the saturating loss {a:.4f}, of the other {b:.4f}")
assert np.allclose(saturating / used, np.exp(np.asarray(v.detach())))

# %% [markdown]
# ## A penalty on a gradient
#
# WGAN-GP wants a critic of slope 1 and penalises (|grad D| - 1)^2 between data and samples (Gulrajani et al. 2017), so
# its training takes the gradient of a gradient. A linear critic w.x has the slope w everywhere: the penalty is (|w| -
# 1)^2 and its gradient 2 (|w| - 1) w / |w|.

# %%
w = tensor(np.array([1.5, -2.0]), requires_grad=True)
real, fake = (Tensor(np.asarray(rng.normal((8, 2), "float64"))) for _ in range(2))
penalty = gradient_penalty(lambda x: (x * w).sum(axis=1), real, fake, rng)
(slope,) = grad(penalty, w)
expected = 2 * 1.5 * np.array([0.6, -0.8])
print(f"penalty {penalty.item():.4f} for {1.5**2}, gradient {np.asarray(slope)} for {expected}")
assert abs(penalty.item() - 1.5**2) < 1e-12
assert np.allclose(np.asarray(slope), expected)

# %% [markdown]
# ## Two networks
#
# Eight small normal laws on a circle. A generator that finds one of them and stays there fools a discriminator for a
# while, so what is counted is how many modes are found, and how many samples are within three standard deviations of
# one: 1 - exp(-4.5) = 98.9 % for a perfect sampler.

# %%
STEPS = 3000
data = truth.eight_gaussians()
recipe = Recipe(steps=STEPS, batch_size=256, lr=1e-3, ema_decay=0.995, grad_clip=0)
model = GANConfig(hidden=(128, 128), latent=8, r1=0.1).build((2,), None, rng)
learner = learner_of(model, recipe)
for step in range(STEPS):
    batch = {"x": np.asarray(data.sample(recipe.batch_size, rng), np.float32)}
    figures = learner.step(batch, rng)
    if step % 500 == 0:
        found = mode_coverage(model.sample(2500, rng), data)
        print(f"step {step:4d}  discriminator {figures['loss']:.3f}  {found.modes} modes, {found.quality:.0%} close")

# %%
with learner.averaged():
    found = mode_coverage(model.sample(2500, rng), data)
print(f"{found.modes} modes, {found.quality:.1%} within 3 standard deviations; a perfect sampler 8, 98.9 %")
assert found.modes == 8
assert found.quality > 0.8

# %% [markdown]
# At the end of the game the discriminator cannot tell: its loss is near that of D = 1/2 everywhere, log 4 (the
# penalty, which only vanishes with the slope, is on top).

# %%
held_out, _ = model.loss({"x": np.asarray(data.sample(5000, rng), np.float32)}, rng)
print(f"discriminator's loss {held_out.item():.3f}, log 4 = {math.log(4):.3f}")
assert abs(held_out.item() - math.log(4)) < 0.15
