"""What the two players of an adversarial game minimise, as functions of the discriminator's logits v.

| name | of a real v | of a fake v | generator, of a fake v | source |
|---|---|---|---|---|
| saturating | softplus(-v) | softplus(v) | -softplus(v) | Goodfellow et al. 2014, eq. 1 |
| non-saturating | softplus(-v) | softplus(v) | softplus(-v) | Goodfellow et al. 2014, section 3 |
| least-squares | (v - b)^2 / 2 | (v - a)^2 / 2 | (v - c)^2 / 2 | Mao et al. 2017, eq. 2 |
| wasserstein | -v | v | -v | Arjovsky et al. 2017, eq. 2 |
| hinge | max(0, 1 - v) | max(0, 1 + v) | -v | Lim and Ye 2017; Miyato et al. 2018, eqs. 16, 17 |
| kl, pearson, ... | -T | f*(T) | -f*(T) | f-GAN: Nowozin et al. 2016, eq. 6; T = activation(v) |

Each knows its best discriminator and what the generator then descends: with the discriminator held at its optimum for
p and q, the gradient in q of E_q[generator's loss] is that of `divergence(p, q)`.

    saturating, gan   2 JS(p, q) - log 4        non-saturating   KL(q || p) - 2 JS(p, q)   (Arjovsky and Bottou 2017)
    wasserstein       W1(p, q)                  hinge            2 TV(p, q)                kl, ...   D_f(p, q)
    least-squares     (c - a)(b - a) KL(p || m) - (b - a)^2 / 8 sum (p - q)^2 / (p + q),   m = (p + q) / 2

Mao et al. show that the *value* at the optimum is Pearson's chi^2(p + q, 2 q) / 2 for b - c = 1, b - a = 2. That is not
what alternating steps descend: there its discriminator is held still, and the gradient of the last line is left.

Held by tinygen/checks/gan/ (CHECKS 23, 24, 25) and tests/gan/test_losses.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tinygen import ops
from tinygen.divergence import F_DIVERGENCES, FDivergence, f_divergence, transport
from tinygen.divergence.f_divergence import GAN, JENSEN_SHANNON, KL
from tinygen.tensor import Tensor

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """Losses of single logits, and their theory on a finite set of points.

    Attributes:
        real: the discriminator's, of a logit of data.
        fake: the discriminator's, of a logit of a sample.
        generator: the generator's, of a logit of a sample.
        optimum: masses p, q (n,) above 0 -> the logits (n,) that minimise E_p real + E_q fake. Of `wasserstein` those
            that do so among the functions of slope at most 1: it takes the distances (n, n) of the points as well.
        divergence: what the generator descends against `optimum`; the same arguments, a scalar.
    """

    real: Function
    fake: Function
    generator: Function
    optimum: Callable[..., Tensor]
    divergence: Callable[..., Tensor]


def least_squares(a: float = 0.0, b: float = 1.0, c: float = 1.0) -> Loss:
    """The discriminator wants b of data and a of samples, the generator c; D* = (b p + a q) / (p + q)."""

    def divergence(p: Tensor, q: Tensor) -> Tensor:
        towards_middle = f_divergence(p, 0.5 * (p + q), KL)
        return (c - a) * (b - a) * towards_middle - (b - a) ** 2 / 8 * ops.sum((p - q) ** 2 / (p + q))

    return Loss(
        real=lambda v: 0.5 * (v - b) ** 2,
        fake=lambda v: 0.5 * (v - a) ** 2,
        generator=lambda v: 0.5 * (v - c) ** 2,
        optimum=lambda p, q: (b * p + a * q) / (p + q),
        divergence=divergence,
    )


def best_critic(p: Tensor, q: Tensor, distance: Tensor) -> Tensor:
    """The function (n,) of slope at most 1 that maximises E_p - E_q: Kantorovich's dual, made 1-Lipschitz.

    Args:
        distance: (n, n), a metric on the points.
    """
    return ops.min(distance - transport(distance, p, q).g, 1)


LINEAR = 20.0
"""Logits of f-GANs grow only logarithmically beyond this."""


def squash(v: Tensor) -> Tensor:
    """A bijection of the line: v up to +-`LINEAR`, from there with the logarithm.

    Most of the f-divergences take an exponential of the logit. The bound holds for every critic, so it still holds for
    this one, and stays finite.
    """
    excess = ops.maximum(ops.abs(v) - LINEAR, 0.0)
    return ops.clip(v, -LINEAR, LINEAR) + ops.sign(v) * ops.log1p(excess)


def unsquash(w: Tensor) -> Tensor:
    """The inverse of `squash`."""
    excess = ops.maximum(ops.abs(w) - LINEAR, 0.0)
    return ops.clip(w, -LINEAR, LINEAR) + ops.sign(w) * ops.expm1(excess)


def f_gan(kind: FDivergence) -> Loss:
    """The variational bound on D_f, which the discriminator maximises and the generator minimises; T* = f'(p/q)."""
    return Loss(
        real=lambda v: -kind.activation(squash(v)),
        fake=lambda v: kind.dual(squash(v)),
        generator=lambda v: -kind.dual(squash(v)),
        optimum=lambda p, q: unsquash(kind.logit(p / q)),
        divergence=lambda p, q: f_divergence(p, q, kind),
    )


SATURATING = Loss(
    real=lambda v: ops.softplus(-v),
    fake=ops.softplus,
    generator=lambda v: -ops.softplus(v),
    optimum=lambda p, q: ops.log(p) - ops.log(q),
    divergence=lambda p, q: f_divergence(p, q, GAN),
)
NON_SATURATING = Loss(
    real=SATURATING.real,
    fake=SATURATING.fake,
    generator=lambda v: ops.softplus(-v),
    optimum=SATURATING.optimum,
    divergence=lambda p, q: f_divergence(q, p, KL) - 2.0 * f_divergence(p, q, JENSEN_SHANNON),
)
WASSERSTEIN = Loss(
    real=lambda v: -v,
    fake=lambda v: v,
    generator=lambda v: -v,
    optimum=best_critic,
    divergence=lambda p, q, distance: transport(distance, p, q).cost,
)
HINGE = Loss(
    real=lambda v: ops.relu(1.0 - v),
    fake=lambda v: ops.relu(1.0 + v),
    generator=lambda v: -v,
    optimum=lambda p, q: ops.sign(p - q),
    divergence=lambda p, q: ops.sum(ops.abs(p - q)),
)

LOSSES = {
    "saturating": SATURATING,
    "non-saturating": NON_SATURATING,
    "least-squares": least_squares(),
    "wasserstein": WASSERSTEIN,
    "hinge": HINGE,
    **{kind.name.lower().replace(" ", "-"): f_gan(kind) for kind in F_DIVERGENCES},
}
"""Name -> loss. Of the f-GANs `gan` is `saturating` itself."""
