"""Estimators of the gradient of an expectation: means and variances by quadrature and enumeration (CHECKS 6, 7)."""

from collections.abc import Callable, Iterator

import numpy as np

from tinygen.autodiff.backward import grad
from tinygen.checks.expectations import Given, gauss_hermite
from tinygen.checks.measurement import Measurement, at_least, equal
from tinygen.checks.registry import check
from tinygen.distributions import Bernoulli, Normal
from tinygen.drawing import Curves
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.estimators import best_constant_baseline, enumerated_expectation, reinforce, straight_through

SETTINGS = ((0.8, 0.5, -0.3), (-1.5, 1.2, 0.4), (0.2, 2.0, 0.2))  # mu, s, c; delta = 0 in the last
_nodes, WEIGHT = gauss_hermite(1, nodes=8)
NODES = _nodes[:, 0]


def _moments(mu: float, s: float, surrogate: Callable[[Normal], Tensor]) -> tuple[float, float, float]:
    """Of the gradient of one draw: its mean in mu, its mean in s, its variance in mu; exact for these polynomials."""
    loc, scale = (Tensor(np.full(len(NODES), v), requires_grad=True) for v in (mu, s))
    in_mu, in_s = (v.numpy() for v in grad(surrogate(Normal(loc, scale)).sum(), [loc, scale]))
    mean = float(WEIGHT @ in_mu)
    return mean, float(WEIGHT @ in_s), float(WEIGHT @ in_mu**2 - mean**2)


def _by_reparameterisation(c: float) -> Callable[[Normal], Tensor]:
    return lambda law: (law.rsample(Given(NODES)) - c) ** 2


def _by_reinforce(c: float, baseline: float = 0.0) -> Callable[[Normal], Tensor]:
    def surrogate(law: Normal) -> Tensor:
        z = law.sample(Given(NODES))
        return reinforce((z - c) ** 2, law.log_prob(z), baseline)

    return surrogate


def _reinforce_variance(delta: float, s: float) -> float:
    return delta**4 / s**2 + 14 * delta**2 + 15 * s**2


def _picture() -> Curves:
    s, deltas = 1.0, np.linspace(-2, 2, 41)
    best = lambda d: d**2 + 3 * s**2
    lines = {
        "reparameterised": [_moments(d, s, _by_reparameterisation(0.0))[2] for d in deltas],
        "REINFORCE": [_moments(d, s, _by_reinforce(0.0))[2] for d in deltas],
        "REINFORCE, best baseline": [_moments(d, s, _by_reinforce(0.0, best(d)))[2] for d in deltas],
    }
    caption = "Variance of one draw's gradient of E(z - c)^2 in mu, z ~ N(mu, 1)."
    return Curves(caption, deltas, {k: np.array(v) for k, v in lines.items()}, "mu - c", "variance")


@check(
    6,
    "vae",
    "The reparameterised gradient and its variance",
    formula=r"\nabla_\mu E(z-c)^2=2\delta,\quad \mathrm{Var}=4s^2\qquad(z=\mu+se,\ \delta=\mu-c)",
    statement="Differentiating through the draw is unbiased in mu and in s; its variance in mu does not depend on how "
    "far c is.",
    source="Kingma and Welling 2014, section 2.4; Rezende et al. 2014",
)
def reparameterised_gradient() -> Iterator[Measurement]:
    for mu, s, c in SETTINGS:
        in_mu, in_s, variance = _moments(mu, s, _by_reparameterisation(c))
        setting = f"delta = {mu - c:g}, s = {s:g}"
        yield equal(f"mean in mu, {setting}", in_mu, 2 * (mu - c))
        yield equal(f"mean in s, {setting}", in_s, 2 * s)
        yield equal(f"variance, {setting}", variance, 4 * s**2)


@check(
    6,
    "vae",
    "REINFORCE and its variance",
    formula=r"\mathrm{Var}\left[(z-c)^2\,\nabla_\mu\log q(z)\right]=\frac{\delta^4}{s^2}+14\delta^2+15s^2",
    statement="The score-function gradient has the same mean, and a variance that grows with the fourth power of the "
    "distance from c.",
    source="Williams 1992; Gaussian moments",
    picture=_picture,
)
def reinforce_gradient() -> Iterator[Measurement]:
    for mu, s, c in SETTINGS:
        in_mu, in_s, variance = _moments(mu, s, _by_reinforce(c))
        setting = f"delta = {mu - c:g}, s = {s:g}"
        yield equal(f"mean in mu, {setting}", in_mu, 2 * (mu - c))
        yield equal(f"mean in s, {setting}", in_s, 2 * s)
        yield equal(f"variance, {setting}", variance, _reinforce_variance(mu - c, s))


@check(
    6,
    "vae",
    "The best constant baseline",
    formula=r"b^*=\delta^2+3s^2,\qquad \mathrm{Var}(b)=\mathrm{Var}(0)-2b\,b^*/s^2+b^2/s^2",
    statement="Subtracting a constant from the cost leaves the mean of REINFORCE alone; the variance is a parabola in "
    "the constant, least at delta^2 + 3 s^2, where it is 8 delta^2 + 6 s^2.",
    source="Greensmith, Bartlett and Baxter 2004; Gaussian moments",
)
def best_baseline() -> Iterator[Measurement]:
    for mu, s, c in SETTINGS:
        delta = mu - c
        z = mu + s * NODES
        best = best_constant_baseline((z - c) ** 2, (z - mu) / s**2, WEIGHT)
        setting = f"delta = {delta:g}, s = {s:g}"
        yield equal(f"baseline, {setting}", best, delta**2 + 3 * s**2)
        mean, _, least = _moments(mu, s, _by_reinforce(c, best))
        yield equal(f"mean in mu with it, {setting}", mean, 2 * delta)
        yield equal(f"variance with it, {setting}", least, 8 * delta**2 + 6 * s**2)
        for b in (0.9 * best, 1.1 * best):
            variance = _moments(mu, s, _by_reinforce(c, b))[2]
            exact = _reinforce_variance(delta, s) - 2 * b * best / s**2 + b**2 / s**2
            yield equal(f"variance with b = {b:.3g}, {setting}", variance, exact)
            yield at_least(f"variance with b = {b:.3g} against the least, {setting}", variance, least)


def _bernoulli_gradient(cost_of: Callable[[Bernoulli], Tensor], logit: float) -> tuple[float, float]:
    """The exact mean of the gradient in the logit of the cost of one draw; and theta.

    The gradient depends on nothing but the draw, so from 64 draws, with zeros and ones among them, both are known.
    """
    logits = Tensor(np.full(64, logit), requires_grad=True)
    law = Bernoulli(logits=logits)
    (slopes,) = grad(cost_of(law).sum(), [logits])
    drawn = law.sample(Generator(0)).numpy() == 1
    theta = float(1 / (1 + np.exp(-logit)))
    return theta * slopes.numpy()[drawn].mean() + (1 - theta) * slopes.numpy()[~drawn].mean(), theta


@check(
    7,
    "vae",
    "Expectations over bits by enumeration",
    formula=r"E\sum_d(b_d-t)^2=\sum_d\left[\theta_d(1-t)^2+(1-\theta_d)t^2\right],\quad "
    r"\partial/\partial\theta_d=1-2t",
    statement="The sum over all 2^D values of D bits gives the expectation and its gradient exactly; REINFORCE has "
    "that gradient as its mean.",
    source="Williams 1992, theorem 1",
)
def bernoulli_gradients() -> Iterator[Measurement]:
    t = 0.3
    theta = np.array([0.1, 0.45, 0.7, 0.95])
    probs = Tensor(theta, requires_grad=True)
    expected = enumerated_expectation(lambda b: ((b - t) ** 2).sum(axis=1), Bernoulli(probs))
    yield equal("expectation, four bits", expected, (theta * (1 - t) ** 2 + (1 - theta) * t**2).sum())
    yield equal("its gradient", grad(expected, [probs])[0], np.full(4, 1 - 2 * t))
    product = enumerated_expectation(lambda b: b.prod(axis=1), Bernoulli(theta))
    yield equal("expectation of their product", product, theta.prod())

    def surrogate(law: Bernoulli) -> Tensor:
        b = law.sample(Generator(0))
        return reinforce((b - t) ** 2, law.log_prob(b))

    for logit in (-1.2, 0.4):
        mean, chance = _bernoulli_gradient(surrogate, logit)
        yield equal(f"mean of REINFORCE, theta = {chance:.3f}", mean, chance * (1 - chance) * (1 - 2 * t))


def _by_straight_through(t: float) -> Callable[[Bernoulli], Tensor]:
    return lambda law: (straight_through(law, Generator(0)) - t) ** 2


@check(
    7,
    "vae",
    "The bias of the straight-through estimator",
    formula=r"E[\mathrm{ST}]-\nabla E(b-t)^2=\theta(1-\theta)(2\theta-1)",
    statement="Passing the gradient straight through a draw of 0 or 1 is biased, by this much in the logit, whatever t "
    "is: without bias for a fair coin only.",
    source="Bengio, Leonard and Courville 2013; by enumeration",
)
def straight_through_bias() -> Iterator[Measurement]:
    for logit in (-1.2, 0.0, 0.9):
        for t in (-0.4, 0.3):
            mean, theta = _bernoulli_gradient(_by_straight_through(t), logit)
            exact = theta * (1 - theta) * (1 - 2 * t)
            bias = theta * (1 - theta) * (2 * theta - 1)
            yield equal(f"bias, theta = {theta:.3f}, t = {t:g}", mean - exact, bias)
    draw = straight_through(Bernoulli(logits=np.full(64, 0.9)), Generator(0)).numpy()
    yield equal("a draw is 0 or 1", draw * (1 - draw), np.zeros(64))
