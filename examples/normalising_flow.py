# %% [markdown]
# # A normalising flow, held to the truth
#
# A flow is an invertible map f from data to noise. If z = f(x) has the law p(z), then
#
#     log p(x) = log p(f(x)) + log |det df/dx|,
#
# exactly: no bound, no sampling. All the art is in maps whose determinant is cheap. RealNVP (Dinh, Sohl-Dickstein and
# Bengio 2017) moves one half of the coordinates by an amount that only depends on the other half, which makes the
# Jacobian triangular.

# %%
import math

import numpy as np

from tinygen import exp, no_grad, optim, stack, tensor, truth
from tinygen.flow.contract import Flow
from tinygen.flow.realnvp import RealNVPConfig
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.testing import check_inverse, check_log_det

rng = Generator(0)

# %% [markdown]
# ## One coupling, by hand
#
# (x_1, x_2) -> (x_1, x_2 exp(s(x_1)) + t(x_1)). The Jacobian is triangular with 1 and exp(s) on its diagonal, so its
# log-determinant is s; the inverse needs no inverse of the networks s and t.


# %%
class Coupling(Flow):
    """An affine coupling of the plane: the second coordinate is scaled and moved by functions of the first."""

    def __init__(self) -> None:
        self.net = MLP((1,), (2,), (16,), rng=rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(x[:, :1]).T
        return stack([x[:, 0], x[:, 1] * exp(s) + t], axis=1), s

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(y[:, :1]).T
        return stack([y[:, 0], (y[:, 1] - t) * exp(-s)], axis=1), -s


coupling = Coupling().to("float64")
points = np.asarray(rng.normal((5, 2), "float64"))
check_inverse(coupling, points)  # inverse(forward(x)) = x
check_log_det(coupling, points)  # against the determinant of the Jacobian that autodiff finds


# %% [markdown]
# A mistake in the formula does not get past them, whatever its size.


# %%
class Wrong(Coupling):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, s = super().forward(x)
        return y, -s


try:
    check_log_det(Wrong().to("float64"), points)
except AssertionError as found:
    print(str(found).splitlines()[0])
else:
    raise AssertionError("the wrong sign was not found")

# %% [markdown]
# ## Ten of them
#
# `RealNVPConfig` makes the model of `tinygen train realnvp`: couplings with alternating halves and an activation
# normalisation before each. The data are two moons, of which the density and its entropy are known: no model can have a
# smaller mean negative log-likelihood than the entropy, so what is above it is the model's own.

# %%
STEPS, BATCH = 2000, 256
data = truth.two_moons()
model = RealNVPConfig(couplings=10).build((2,), None, rng)
optimiser = optim.Adam(model.parameters(), lr=2e-3)
decay = optim.LambdaLR(optimiser, optim.schedule.cosine(STEPS))
for step in range(STEPS):
    optimiser.zero_grad()
    loss, _ = model.loss({"x": np.asarray(data.sample(BATCH, rng))}, rng)
    loss.backward()
    optim.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    decay.step()
    if step % 500 == 0:
        print(f"step {step:4d}  {loss.item():.3f} nats, entropy {data.entropy():.3f}")

# %%
held_out = np.asarray(data.sample(20_000, rng))
with no_grad():
    gap = np.asarray(data.log_prob(held_out)) - np.asarray(model.log_prob(Tensor(held_out.astype("float32"))))
print(f"above the entropy: {gap.mean():.4f} nats (+- {gap.std() / math.sqrt(len(gap)):.4f})")
assert gap.mean() > -5 * gap.std() / math.sqrt(len(gap))  # the mean is KL(data || model)
assert gap.mean() < 0.08

# %% [markdown]
# ## Its density integrates to 1
#
# A likelihood is only worth something if it is one. Over a grid of the plane the model's density sums to 1.

# %%
model.to("float64")
axis = np.linspace(-8, 8, 401)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
with no_grad():
    mass = (
        sum(np.exp(np.asarray(model.log_prob(tensor(part)))).sum() for part in np.array_split(grid, 20))
        * (axis[1] - axis[0]) ** 2
    )
print(f"the density integrates to {mass:.6f}")
assert abs(mass - 1) < 1e-3
samples = model.sample(2000, rng)
check_inverse(model.flow, samples[:5])
check_log_det(model.flow, samples[:5])
