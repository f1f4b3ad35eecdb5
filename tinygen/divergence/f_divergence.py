"""f-divergences D_f(p, q) = E_q f(p/q), f convex with f(1) constant, and their variational lower bound.

    D_f(p, q) >= E_p T - E_q f*(T),   f*(t) = sup over u >= 0 of (u t - f(u)),   tight at T = f'(p/q)

Nguyen, Wainwright and Jordan 2010; Nowozin, Cseke and Tomioka 2016 ("f-GAN"), tables 1, 2 and 5. Two of their names
hide a constant: the generator they call Jensen-Shannon gives 2 JS, here it is halved; `GAN` gives 2 JS - log 4, the
value of the original game at its best discriminator. Held by tests/divergence/test_f_divergence.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tinygen import ops
from tinygen.distributions.parameters import of_one_dtype, require
from tinygen.tensor import ArrayLike, Tensor

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FDivergence:
    """A convex f on u > 0 with what the bound needs.

    Attributes:
        name: of the divergence.
        f: the function itself.
        derivative: f', the best critic at the density ratio u = p/q.
        conjugate: f*, finite for t < `upper`.
        upper: the end of the conjugate's domain, which is the slope of f at infinity.
        at_zero: f(0), what q's mass costs where p has none, per unit.
        activation: maps any real number into the range of f', as the last layer of a critic (table 6 of f-GAN).
        dual: f*(activation(v)) in one formula, which neither overflows early nor cancels.
        logit: the v at which activation(v) = f'(u): what the critic's last layer gets at the density ratio u.
    """

    name: str
    f: Function
    derivative: Function
    conjugate: Function
    upper: float
    at_zero: float
    activation: Function
    dual: Function
    logit: Function


KL = FDivergence(
    "KL",
    f=lambda u: u * ops.log(u),
    derivative=lambda u: 1.0 + ops.log(u),
    conjugate=lambda t: ops.exp(t - 1.0),
    upper=math.inf,
    at_zero=0.0,
    activation=lambda v: v,
    dual=lambda v: ops.exp(v - 1.0),
    logit=lambda u: 1.0 + ops.log(u),
)
REVERSE_KL = FDivergence(
    "reverse KL",
    f=lambda u: -ops.log(u),
    derivative=lambda u: -1.0 / u,
    conjugate=lambda t: -1.0 - ops.log(-t),
    upper=0.0,
    at_zero=math.inf,
    activation=lambda v: -ops.exp(-v),
    dual=lambda v: v - 1.0,
    logit=lambda u: ops.log(u),
)
PEARSON = FDivergence(
    "Pearson",
    f=lambda u: (u - 1.0) ** 2,
    derivative=lambda u: 2.0 * (u - 1.0),
    conjugate=lambda t: ops.where(t < -2.0, -1.0, 0.25 * t**2 + t),  # below -2 the supremum is at u = 0
    upper=math.inf,
    at_zero=1.0,
    activation=lambda v: v,
    dual=lambda v: ops.where(v < -2.0, -1.0, 0.25 * v**2 + v),
    logit=lambda u: 2.0 * (u - 1.0),
)
NEYMAN = FDivergence(
    "Neyman",
    f=lambda u: (1.0 - u) ** 2 / u,
    derivative=lambda u: 1.0 - u**-2,
    conjugate=lambda t: 2.0 - 2.0 * ops.sqrt(1.0 - t),
    upper=1.0,
    at_zero=math.inf,
    activation=lambda v: 1.0 - ops.exp(-v),
    dual=lambda v: -2.0 * ops.expm1(-0.5 * v),
    logit=lambda u: 2.0 * ops.log(u),
)
SQUARED_HELLINGER = FDivergence(
    "squared Hellinger",
    f=lambda u: (ops.sqrt(u) - 1.0) ** 2,
    derivative=lambda u: 1.0 - u**-0.5,
    conjugate=lambda t: t / (1.0 - t),
    upper=1.0,
    at_zero=1.0,
    activation=lambda v: 1.0 - ops.exp(-v),
    dual=lambda v: ops.expm1(v),
    logit=lambda u: 0.5 * ops.log(u),
)
JENSEN_SHANNON = FDivergence(
    "Jensen-Shannon",
    f=lambda u: 0.5 * (u * ops.log(u) - (u + 1.0) * ops.log(0.5 * (u + 1.0))),
    derivative=lambda u: 0.5 * ops.log(2.0 * u / (u + 1.0)),
    conjugate=lambda t: -0.5 * ops.log(2.0 - ops.exp(2.0 * t)),
    upper=0.5 * math.log(2),
    at_zero=0.5 * math.log(2),
    activation=lambda v: 0.5 * math.log(2) - 0.5 * ops.softplus(-v),
    dual=lambda v: 0.5 * ops.softplus(v) - 0.5 * math.log(2),
    logit=lambda u: ops.log(u),
)
GAN = FDivergence(
    "GAN",
    f=lambda u: u * ops.log(u) - (u + 1.0) * ops.log(u + 1.0),
    derivative=lambda u: -ops.log1p(1.0 / u),
    conjugate=lambda t: -ops.log(-ops.expm1(t)),
    upper=0.0,
    at_zero=0.0,
    activation=lambda v: -ops.softplus(-v),
    dual=lambda v: ops.softplus(v),
    logit=lambda u: ops.log(u),
)

F_DIVERGENCES = (KL, REVERSE_KL, PEARSON, NEYMAN, SQUARED_HELLINGER, JENSEN_SHANNON, GAN)


def f_divergence(p: ArrayLike, q: ArrayLike, kind: FDivergence) -> Tensor:
    """D_f(p, q) of measures on a finite set, by the sum over the last axis.

    Where q has no mass p's costs `upper` per unit, where p has none q's costs `at_zero`: the limits of q f(p/q).

    Args:
        p, q: masses, 0 or above; they need not sum to 1.
        kind: one of `F_DIVERGENCES`.

    Raises:
        ValueError: a negative mass.
    """
    p, q = of_one_dtype(p, q)
    for name, mass in (("p", p), ("q", q)):
        require("f_divergence", name, mass, mass._data >= 0, "0 or above")
    only_p, only_q = (q == 0) & (p > 0), (p == 0) & (q > 0)
    both = (p > 0) & (q > 0)
    inside = ops.where(both, q * kind.f(ops.where(both, p, 1.0) / ops.where(both, q, 1.0)), 0.0)
    rest = _priced(only_p, p, kind.upper) + _priced(only_q, q, kind.at_zero)
    return ops.sum(inside + rest, -1)


def _priced(where: Tensor, mass: Tensor, price: float) -> Tensor:
    return ops.where(where, mass * price, 0.0) if math.isfinite(price) else ops.where(where, price, 0.0)


def variational_bound(t_p: Tensor, t_q: Tensor, kind: FDivergence) -> Tensor:
    """E_p T - E_q f*(T), a lower bound of D_f(p, q), from a critic's values on draws of p and of q.

    Args:
        t_p, t_q: T at draws of each law, of any shapes; below `kind.upper`, as `kind.activation` makes them.

    Raises:
        ValueError: a value of t_q at or above `kind.upper`, where the conjugate is infinite.
    """
    require("variational_bound", "t_q", t_q, t_q._data < kind.upper, f"below {kind.upper:g} for {kind.name}")
    return ops.mean(t_p) - ops.mean(kind.conjugate(t_q))
