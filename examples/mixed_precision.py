# %% [markdown]
# # Half the memory: bfloat16 and mixed precision
#
# A bfloat16 is the upper half of a float32: sign, all 8 bits of the exponent, and 8 of the 24 bits of the significand.
# The range is the same, so nothing overflows or vanishes that did not before; what is lost is digits: rounding moves a
# number by up to 2^-8 = 0.4 % of its size.

# %%
import tracemalloc

import numpy as np

import tinygen as tg
from tinygen.data import Loader, load
from tinygen.learner import learner_of
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training.registry import config_class

x = tg.tensor([3.14159265, 1e-30, 1e30], dtype="bfloat16")
print(x, "from pi, 1e-30, 1e30")
error = np.abs(np.asarray(x).astype(float) / [np.pi, 1e-30, 1e30] - 1)
assert (error <= 2.0**-8).all()

# %% [markdown]
# ## What must not be bfloat16: sums, and weights
#
# At 256 the next number is 258, and 256 + 1 is a tie that goes to the even one: a sum of ones stops there. So sums are
# float32 inside, whatever the arrays are. For the same reason a weight of bfloat16 would not notice the steps of an
# optimiser, a thousandth of its size at most: weights stay float32, and only *copies* of them are rounded.

# %%
one = tg.ones(1, dtype="bfloat16")
total = 0 * one
for _ in range(300):
    total = total + one
print("one by one:", total.item(), " by tg.sum:", tg.sum(tg.ones(300, dtype="bfloat16")).item())
assert total.item() == 256.0
assert tg.sum(tg.ones(300, dtype="bfloat16")).item() == 300.0

weight, step = tg.ones(1), tg.tensor([1e-3])
assert (weight.to("bfloat16") + step.to("bfloat16")).item() == 1.0
assert (weight + step).item() > 1.0

# %% [markdown]
# ## Mixed precision
#
# Within `tg.mixed_precision()` linear layers, convolutions and attention take bfloat16 copies of what they are given,
# and give bfloat16. Losses are float32, and gradients come back to the weights as float32.

# %%
layer = tg.nn.Linear(64, 64, rng=Generator(0))
with tg.mixed_precision():
    y = layer(Generator(1).normal((8, 64)))
    loss = (y * y).mean()
loss.backward()
print(f"output {y.dtype}, loss {loss.dtype}, weight {layer.weight.dtype}, gradient {layer.weight.grad.dtype}")

# %% [markdown]
# ## The same run twice
#
# A VAE and a diffusion model learn the digits with the same seed, once in float32 and once in mixed precision. On the
# command line: `tinygen train ddpm --precision bf16`.

# %%
digits = load("digits", "train")


def train(name, options, mixed, steps):
    """The losses of a run, and the bytes that the forward pass of its first step leaves for the backward pass."""
    initial, order, noise = Generator(0).split(3)
    model = config_class(name)(**options).build(digits.shape, None, initial)
    loader = Loader(digits, 32, order)
    learner = learner_of(model, Recipe(steps=steps, batch_size=32, lr=2e-3))
    with tg.mixed_precision(mixed):
        losses = [learner.step(next(loader), noise)["loss"] for _ in range(steps)]
        tracemalloc.start()
        outcome = model.loss(next(loader), noise)
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    del outcome
    return np.array(losses), kept


for name, options, steps in (("vae", {"latent": 8, "hidden": (128,)}, 200), ("ddpm", {"channels": 8}, 60)):
    (exact, bytes_exact), (ours, bytes_ours) = (train(name, options, mixed, steps) for mixed in (False, True))
    apart, fall = np.abs(ours - exact).max(), exact[0] - exact[-20:].mean()
    print(f"{name}: the loss falls from {exact[0]:.3f} to {exact[-20:].mean():.4f}; mixed {ours[-20:].mean():.4f}")
    print(f"    greatest difference of a step {apart:.4f}; kept for the backward pass {bytes_ours / bytes_exact:.0%}")
    assert apart < 0.02 * fall
    assert abs(ours[-20:].mean() / exact[-20:].mean() - 1) < 5e-3
