"""Best discriminators: of f-GANs, by training a table, and the critic of the Wasserstein distance (CHECKS 25, 26)."""

from collections.abc import Iterator

import numpy as np

from tinygen.autodiff.backward import grad
from tinygen.checks.gan.games import DISTANCE, P, Q, discriminator_loss, js, kl, optimum
from tinygen.checks.measurement import Measurement, at_most, equal
from tinygen.checks.registry import check
from tinygen.gan.losses import LOSSES, NON_SATURATING, SATURATING, WASSERSTEIN, Loss, least_squares
from tinygen.tensor import Tensor


def trained(loss: Loss, steps: int = 40) -> np.ndarray:
    """The logits (n,) that Newton's method finds from 0; each point's loss is a function of its own logit."""
    v = Tensor(np.zeros(len(P)), requires_grad=True)
    for _ in range(steps):
        (slope,) = grad(discriminator_loss(loss, v), [v], create_graph=True)
        (bend,) = grad(slope.sum(), [v])
        step = np.clip(slope.detach().numpy() / bend.numpy(), -1, 1)
        v = Tensor(v.detach().numpy() - step, requires_grad=True)
    return v.detach().numpy()


@check(
    23,
    "gan",
    "a table of logits trained on the loss",
    formula=r"\min_v\ p\,\ell_{\mathrm{real}}(v)+q\,\ell_{\mathrm{fake}}(v)\ \mathrm{at}\ \sigma(v^*)=\frac{p}{p+q}",
    statement="A discriminator with one free logit for every point, trained on the project's losses by Newton's "
    "method, ends at p/(p + q), or at what its loss states.",
    source="Goodfellow et al. 2014, proposition 1; Mao et al. 2017, eq. 5; Nowozin et al. 2016, eq. 5",
)
def table() -> Iterator[Measurement]:
    for name, loss in (("saturating", SATURATING), ("non-saturating", NON_SATURATING)):
        yield equal(f"D of {name}", 1 / (1 + np.exp(-trained(loss))), P / (P + Q))
    yield equal("D of least squares", trained(least_squares(0.0, 1.0, 1.0)), P / (P + Q))
    for name, ratio in (
        ("kl", 1 + np.log(P / Q)),
        ("pearson", 2 * (P / Q - 1)),
        ("jensen-shannon", np.log(P / Q)),
        ("gan", np.log(P / Q)),
    ):
        yield equal(f"the logit of {name}", trained(LOSSES[name]), ratio)


@check(
    25,
    "gan",
    "f-GANs reach their divergence",
    formula=r"E_p T^*-E_q f^*(T^*)=D_f(p,q),\quad T^*=f'(p/q)",
    statement="At the stated optimum the bound that an f-GAN's discriminator maximises is the divergence itself, and "
    "the logits are stationary there; the generator often called Jensen-Shannon gives twice that, here it is halved.",
    source="Nowozin, Cseke and Tomioka 2016, eqs. 4 to 6, tables 1 and 6",
)
def f_gan_value() -> Iterator[Measurement]:
    exact = {
        "kl": kl(P, Q),
        "reverse-kl": kl(Q, P),
        "pearson": ((P - Q) ** 2 / Q).sum(),
        "neyman": ((P - Q) ** 2 / P).sum(),
        "squared-hellinger": ((np.sqrt(P) - np.sqrt(Q)) ** 2).sum(),
        "jensen-shannon": js(P, Q),
        "gan": 2 * js(P, Q) - np.log(4),
    }
    for name, value in exact.items():
        best = Tensor(optimum(LOSSES[name]).numpy(), requires_grad=True)
        loss = discriminator_loss(LOSSES[name], best)
        yield equal(f"the bound of {name}", -loss.item(), value)
        yield equal(f"the slope of {name}", grad(loss, [best])[0], np.zeros(len(P)))


@check(
    26,
    "gan",
    "the best critic reaches W1",
    formula=r"\max_{|D(x)-D(y)|\leq d(x,y)}E_pD-E_qD=W_1(p,q)",
    statement="On finitely many points the stated critic has slope at most 1 between any two, and the Wasserstein "
    "loss at it is minus the cost of the cheapest plan, here found by another programme on the line and in the plane.",
    source="Kantorovich's dual: Arjovsky et al. 2017, eq. 2",
)
def best_critic() -> Iterator[Measurement]:
    line = np.array([-1.3, -0.2, 0.1, 0.9, 1.4, 2.2, 3.5])
    for name, distance in (("the line", np.abs(line[:, None] - line)), ("the plane", DISTANCE)):
        best = WASSERSTEIN.optimum(Tensor(P), Tensor(Q), Tensor(distance))
        critic = best.numpy()
        excess = np.abs(critic[:, None] - critic) - distance
        yield at_most(f"slope between two points of {name}", excess.max(), 0.0, slack=1e-12)
        reached = -discriminator_loss(WASSERSTEIN, best).item()
        if name == "the line":
            exact = (np.abs(np.cumsum(P - Q)[:-1]) * np.diff(line)).sum()
        else:
            exact = WASSERSTEIN.divergence(Tensor(P), Tensor(Q), Tensor(distance)).item()
        yield equal(f"E_p D - E_q D on {name}", reached, exact)
