# %% [markdown]
# # A generative adversarial network, held to the best discriminator
#
# Two players (Goodfellow et al. 2014). A generator turns noise into samples of a law q; a discriminator sees samples of
# q and of the data's law p, and says how likely each is to be data. It descends
#
#     -E_p log D(x) - E_q log(1 - D(x)),
#
# and the generator descends -E_q log D(x). With q held still, the best D is known at every point: it is
# D*(x) = p(x) / (p(x) + q(x)). There the discriminator's loss is log 4 - 2 JS(p, q), and the generator follows the
# gradient of KL(q || p) - 2 JS(p, q), which is 0 at q = p.
#
# Usually nobody knows p or q. Here p is a Gaussian and the generator is affine, so q is one as well, and both halves of
# the theory can be read off while the two play.

# %%
import numpy as np

from tinygen import nn, ops
from tinygen.distributions import MultivariateNormal, kl_divergence
from tinygen.gan.losses import NON_SATURATING
from tinygen.gan.model import GAN, Rules
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor
from tinygen.truth import Gaussian

rng = Generator(0)
p = Gaussian(np.array([1.0, -0.5]), np.array([[1.0, 0.6], [0.6, 0.8]]))


def batch(n: int = 256) -> dict[str, np.ndarray]:
    """n points of the data's law."""
    return {"x": p.sample(n, rng).numpy()}


# %% [markdown]
# ## The players
#
# z ~ N(0, I) becomes W z + b, so q = N(b, W W^T). The discriminator is a perceptron that gives logits: D = sigmoid.

# %%
generator, discriminator = nn.Linear(2, 2, rng=rng), MLP((2,), (1,), (32, 32), rng=rng)
model = GAN(generator, discriminator, Rules(NON_SATURATING), size=2, shape=(2,)).to("float64")
players = model.learner(Recipe(lr=2e-3, ema_decay=0.995, grad_clip=0))


def q() -> Gaussian:
    """The generator's law, read off its weights."""
    w, b = generator.weight.detach().numpy(), generator.bias.detach().numpy()
    return Gaussian(b, w @ w.T)


# %% [markdown]
# ## The best discriminator
#
# First the discriminator learns alone. How far is D from D* over points of both laws, and its loss from the least?

# %%
for _ in range(1500):
    loss, _ = model.discriminator_loss(batch(), rng)
    players.discriminator.step(loss)

of_p, of_q = p.sample(2000, rng), q().sample(2000, rng)
points = ops.concat([of_p, of_q])
best = p.optimal_discriminator(q())(points)
found = ops.sigmoid(model.discriminate(points)).detach()
away = float(ops.abs(found - best).mean())


def game(d: Tensor) -> float:
    """The discriminator's loss over the 4,000 points."""
    return -float(ops.log(d[:2000]).mean() + ops.log(1.0 - d[2000:]).mean())


print(
    f"|D - D*| = {away:.4f} on average; the loss is {game(found):.4f}, at D* {game(best):.4f}, and blind log 4 = 1.3863"
)

# %% [markdown]
# ## The game
#
# Now both move, one step each. Near the solution the two would circle it; a small penalty on the discriminator's slope
# at the data (R1, Mescheder et al. 2018) lets them come to rest.

# %%
model.rules = Rules(NON_SATURATING, r1=0.2)


def distance() -> float:
    """KL(q || p) of the generator's averaged weights, in nats."""
    with players.averaged():
        law = q()
    return kl_divergence(MultivariateNormal(law.mean, law.covariance), MultivariateNormal(p.mean, p.covariance)).item()


print(f"before the game: KL(q || p) = {distance():.4f}")
for turn in range(1, 3001):
    figures = players.step(batch(), rng)
    if turn % 500 == 0:
        print(f"turn {turn}: KL(q || p) = {distance():.5f}, the discriminator's loss {figures['loss']:.4f}")

# %% [markdown]
# ## Held to the theory
#
# The discriminator came near the best there is, and not below its loss. In the end q is p, and the discriminator knows
# nothing: its loss is log 4 with or without it.

# %%
assert away < 0.03
assert game(best) - 0.01 < game(found) < game(best) + 0.02
assert distance() < 0.01
blind = float(model.discriminator_loss(batch(4000), rng)[1]["logit_real"])
assert abs(blind) < 0.3
with players.averaged():
    law = q()
print(f"mean {np.round(law.mean.numpy(), 3)}, covariance {np.round(law.covariance.numpy(), 3).tolist()}")
