"""What the players descend: the original game, least squares, hinge; the divergence of every loss (CHECKS 23, 24)."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from tinygen import ops
from tinygen.autodiff.backward import grad
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.drawing import Curves
from tinygen.gan.losses import HINGE, LOSSES, NON_SATURATING, SATURATING, Loss, least_squares
from tinygen.tensor import Tensor

_DRAWS = np.random.default_rng(23)
P, Q = (0.7 * _DRAWS.dirichlet(np.ones(7)) + 0.3 / 7 for _ in range(2))
POINTS = _DRAWS.normal(size=(7, 2))
DISTANCE = np.linalg.norm(POINTS[:, None] - POINTS, axis=2)


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log(p / q)).sum())


def js(p: np.ndarray, q: np.ndarray) -> float:
    return 0.5 * kl(p, (p + q) / 2) + 0.5 * kl(q, (p + q) / 2)


def discriminator_loss(loss: Loss, logits: Tensor) -> Tensor:
    """E_p real + E_q fake of a table of logits."""
    return (P * loss.real(logits)).sum() + (Q * loss.fake(logits)).sum()


def optimum(loss: Loss, p: np.ndarray = P, q: np.ndarray = Q) -> Tensor:
    return loss.optimum(*laws(loss, p, q))


def laws(loss: Loss, p: np.ndarray, q: np.ndarray) -> list[Tensor]:
    """What the theory of `loss` takes: p, q, and the distances where it reads them."""
    metric = [Tensor(DISTANCE)] if loss is LOSSES["wasserstein"] else []
    return [Tensor(p), Tensor(q), *metric]


def _picture() -> Curves:
    v = np.linspace(-6, 6, 121)
    lines = {name: LOSSES[name].generator(Tensor(v)).numpy() for name in ("saturating", "non-saturating", "hinge")}
    caption = "The generator's loss of a sample's logit: where the discriminator is sure, the saturating one is flat."
    return Curves(caption, v, lines, "logit", "loss")


@check(
    23,
    "gan",
    "the game at its best discriminator",
    formula=r"V(D^*)=2\,\mathrm{JS}(p,q)-\log 4,\quad"
    r"V(D^*)-V(D)=\sum(p+q)\,\mathrm{KL}(\mathrm{Bern}(D^*)\|\mathrm{Bern}(D))",
    statement="The best discriminator is p/(p + q); there the game is worth twice the Jensen-Shannon divergence less "
    "log 4, and any other discriminator loses the weighted KL of its odds.",
    source="Goodfellow et al. 2014, proposition 1 and theorem 1",
)
def game_value() -> Iterator[Measurement]:
    best, rng = P / (P + Q), np.random.default_rng(24)
    for name, loss in (("saturating", SATURATING), ("non-saturating", NON_SATURATING), ("f-GAN's gan", LOSSES["gan"])):
        at_best = optimum(loss)
        yield equal(f"D* of {name}", ops.sigmoid(at_best), best)
        value = -discriminator_loss(loss, at_best).item()
        yield equal(f"V(D*) of {name}", value, 2 * js(P, Q) - math.log(4))
        other = Tensor(3 * rng.normal(size=7))
        d = 1 / (1 + np.exp(-other.numpy()))
        lost = ((P + Q) * (best * np.log(best / d) + (1 - best) * np.log((1 - best) / (1 - d)))).sum()
        yield equal(f"V(D*) - V(D) of {name}", value + discriminator_loss(loss, other).item(), lost)


@check(
    23,
    "gan",
    "what the non-saturating generator descends",
    formula=r"\nabla_\theta E_{g}[-\log D^*]=\nabla_\theta[\mathrm{KL}(g\|p)-2\,\mathrm{JS}(p,g)]",
    statement="With the discriminator held at its best, the non-saturating generator follows the gradient of a reverse "
    "KL less twice the Jensen-Shannon divergence; the saturating one that of twice the latter.",
    source="Arjovsky and Bottou 2017, theorem 2.5; Goodfellow et al. 2014, theorem 1",
)
def generator_gradient() -> Iterator[Measurement]:
    theta = Tensor(np.log(Q), requires_grad=True)
    slope_kl, slope_js = np.log(Q / P) + 1, 0.5 * np.log(2 * Q / (P + Q))
    through_softmax: Callable[[np.ndarray], np.ndarray] = lambda slope: Q * (slope - Q @ slope)
    for name, loss, slope in (
        ("saturating", SATURATING, 2 * slope_js),
        ("non-saturating", NON_SATURATING, slope_kl - 2 * slope_js),
    ):
        (found,) = grad((ops.softmax(theta) * loss.generator(optimum(loss))).sum(), [theta])
        yield equal(name, found, through_softmax(slope))


@check(
    23,
    "gan",
    "saturation",
    formula=r"\frac{\partial_v\log(1-D)}{\partial_v(-\log D)}=\frac{D}{1-D}",
    statement="Where the discriminator is sure of a sample, the saturating loss has D/(1 - D) of the other's gradient "
    "in its logit.",
    source="Goodfellow et al. 2014, section 3",
    picture=_picture,
)
def saturation() -> Iterator[Measurement]:
    v = Tensor(np.linspace(-8, 8, 33), requires_grad=True)
    d = 1 / (1 + np.exp(-v.detach().numpy()))
    (flat,), (steep,) = (grad(loss.generator(v).sum(), [v]) for loss in (SATURATING, NON_SATURATING))
    yield equal("the non-saturating gradient", steep, d - 1)
    yield equal("the ratio", flat.numpy() / steep.numpy(), d / (1 - d))


@check(
    24,
    "gan",
    "least squares and Pearson",
    formula=r"\sum(p+q)(D^*-c)^2=\chi^2(p+q,2q),\quad D^*=\frac{bp+aq}{p+q},\ b-c=1,\ b-a=2",
    statement="At its best discriminator the least squares game is worth Pearson's chi-squared between the mean of the "
    "two laws and the generator's, doubled.",
    source="Mao et al. 2017, theorem 1 and eq. 5",
)
def least_squares_value() -> Iterator[Measurement]:
    for a, b, c in ((-1.0, 1.0, 0.0), (0.5, 2.5, 1.5)):
        loss = least_squares(a, b, c)
        best = optimum(loss)
        yield equal(f"D* of ({a:g}, {b:g}, {c:g})", best, (b * P + a * Q) / (P + Q))
        twice = 2 * ((P + Q) * loss.generator(best).numpy()).sum()
        yield equal(f"({a:g}, {b:g}, {c:g})", twice, ((P - Q) ** 2 / (P + Q)).sum())
    loss = least_squares(0.3, 1.1, 0.9)
    cost = (0.8**2 / 2 * P * Q / (P + Q)).sum()
    yield equal("the discriminator's own least loss, (0.3, 1.1, 0.9)", discriminator_loss(loss, optimum(loss)), cost)


@check(
    24,
    "gan",
    "hinge and total variation",
    formula=r"\min_D\ E_p[1-D]_++E_q[1+D]_+=2-2\,\mathrm{TV}(p,q)",
    statement="The hinge's best discriminator is the sign of p - q; the least loss is two less twice the total "
    "variation, and the generator descends twice the total variation.",
    source="Lim and Ye 2017, section 3",
)
def hinge_value() -> Iterator[Measurement]:
    tv = 0.5 * np.abs(P - Q).sum()
    best = optimum(HINGE)
    yield equal("the discriminator's loss at sign(p - q)", discriminator_loss(HINGE, best), 2 - 2 * tv)
    line = np.linspace(-3, 3, 601)
    table = P[:, None] * HINGE.real(Tensor(line)).numpy() + Q[:, None] * HINGE.fake(Tensor(line)).numpy()
    yield equal("the least over all tables, by search", table.min(1).sum(), 2 - 2 * tv)
    yield equal("E_p D* - E_q D*", (Q - P) @ HINGE.generator(best).numpy(), 2 * tv)


@check(
    23,
    "gan",
    "every loss descends the divergence it states",
    formula=r"\nabla_q E_q[\ell_G(D^*_{p,q})]_{D^*\ \mathrm{held}}=\nabla_q\,\mathrm{divergence}(p,q)",
    statement="With the discriminator held at the stated optimum, the generator's gradient along the simplex is that "
    "of the stated divergence, loss by loss.",
    source="the table of tinygen.gan.losses; for least squares derived there",
)
def descent() -> Iterator[Measurement]:
    games = dict(LOSSES) | {"least-squares (-1, 1, 0)": least_squares(-1.0, 1.0, 0.0)}
    for name, loss in games.items():
        given = laws(loss, P, Q)
        q = Tensor(Q, requires_grad=True)
        (exact,) = grad(loss.divergence(given[0], q, *given[2:]), [q])
        found = loss.generator(optimum(loss)).numpy()
        yield equal(name, found - found.mean(), exact.numpy() - exact.numpy().mean())
