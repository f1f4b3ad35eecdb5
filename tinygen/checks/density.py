"""Classical densities and samplers: closed forms (CHECKS 20, second half of 39, and the entropy floors, 42)."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen import truth
from tinygen.checks.expectations import crossed, gauss_hermite
from tinygen.checks.measurement import Measurement, equal, estimate
from tinygen.checks.registry import check
from tinygen.density import KernelDensity, inverse_cdf, langevin, log_acceptance, metropolis
from tinygen.distributions import Normal
from tinygen.drawing import Curves, Maps
from tinygen.random import Generator
from tinygen.tensor import Tensor

# -- Langevin's dynamics -------------------------------------------------------------------------------------

V = 0.7
LAW = truth.Gaussian(np.zeros(1), V)


def _next_variance(variance: float, step: float) -> float:
    """Of the unadjusted chain after one step from variance `variance`: a mean over two states and two noises."""
    x, rng = crossed(math.sqrt(variance) * np.array([[1.0], [-1.0]]), 1)
    return float(np.square(langevin(LAW.score, x, step, 1, rng).numpy()).mean())


def _stationary(step: float) -> float:
    """v / (1 - h / (2 v))."""
    return V / (1 - step / (2 * V))


def _picture_of_langevin() -> Curves:
    steps = np.linspace(0.05, 1.0, 20)
    unadjusted, corrected = np.zeros(20), np.zeros(20)
    for i, step in enumerate(steps):
        start = LAW.sample(4000, Generator(i))
        unadjusted[i] = np.square(langevin(LAW.score, start, step, 60, Generator(i + 100)).numpy()).mean()
        chains, _ = metropolis(LAW.log_prob, start, step, 20, Generator(i + 200), LAW.score)
        corrected[i] = np.square(chains.numpy()).mean()
    lines = {
        "exact": np.array([_stationary(step) for step in steps]),
        "unadjusted": unadjusted,
        "v": np.full(20, V),
        "Metropolis": corrected,
    }
    caption = f"Langevin's dynamics on N(0, {V}): the variance of 4,000 chains, by the step."
    return Curves(caption, steps, lines, "step h", "variance")


@check(
    20,
    "density",
    "The variance that unadjusted Langevin ends with",
    formula=r"c'=(1-h/v)^2c+2h,\qquad c_\infty=\frac{v}{1-h/(2v)}",
    statement="On N(0, v) one step of size h changes the variance by an affine map, whose fixed point is above v by a "
    "bias that grows with the step.",
    source="Roberts and Tweedie 1996; Wibisono 2018",
    picture=_picture_of_langevin,
)
def langevin_variance() -> Iterator[Measurement]:
    for step in (0.05, 0.35, 1.0):
        by_the_map = (1 - step / V) ** 2 * 0.4 + 2 * step
        yield equal(f"after one step from 0.4, h = {step:g}", _next_variance(0.4, step), by_the_map)
        yield equal(f"kept by a step, h = {step:g}", _next_variance(_stationary(step), step), _stationary(step))
    variance = 0.0
    for _ in range(100):
        variance = _next_variance(variance, 0.35)
    yield equal("after 100 steps from 0, h = 0.35: 4/3 v", variance, 4 / 3 * V)
    x = langevin(LAW.score, np.zeros((20_000, 1)), 0.35, 30, Generator(0))
    yield estimate("variance of chains, h = 0.35", x.numpy() ** 2, _stationary(0.35))


@check(
    20,
    "density",
    "Metropolis' correction keeps the law exactly",
    formula=r"p(x)\,q(x'|x)\,a(x,x')=p(x')\,q(x|x')\,a(x',x)",
    statement="With the acceptance min(1, p(x') q(x|x') / (p(x) q(x'|x))) the flow between any two states is equal in "
    "both directions, whatever drift proposes, and the bias of the step is gone.",
    source="Hastings 1970; Roberts and Tweedie 1996",
)
def metropolis_exact() -> Iterator[Measurement]:
    law, h = truth.eight_gaussians(), 0.2
    x, y = law.sample(30, Generator(5)), law.sample(30, Generator(6))
    drifts = {"Langevin's": law.score, "no": lambda x: 0.0 * x, "a wrong": lambda x: x**2 - 1.0}
    for name, drift in drifts.items():
        flows = []
        for a, b in ((x, y), (y, x)):
            proposal = -((b - a - h * drift(a)) ** 2).sum(-1) / (4 * h)
            flows.append(law.log_prob(a) + proposal + log_acceptance(law.log_prob, drift, a, b, h))
        yield equal(f"log flow between 30 pairs, {name} drift", flows[0], flows[1])
    exact, zeros = LAW.sample(20_000, Generator(3)), Tensor(np.zeros((20_000, 1)))
    for name, start, steps, score in (
        ("3 steps from exact draws", exact, 3, LAW.score),
        ("25 steps from 0", zeros, 25, LAW.score),
        ("3 steps of a random walk from exact draws", exact, 3, None),
    ):
        chains, _ = metropolis(LAW.log_prob, start, 0.35, steps, Generator(4), score)
        yield estimate(f"variance after {name}, h = 0.35", chains.numpy() ** 2, V)


# -- kernel density ------------------------------------------------------------------------------------------


@check(
    39,
    "density",
    "The kernel density of normal data",
    formula=r"E\log\hat{p}(x)=-\frac{1}{2}\log 2\pi(1+h^2)-\frac{1}{2(1+h^2)}",
    statement="With all of N(0, 1) as its points a kernel density of bandwidth h is N(0, 1 + h^2), and this is its "
    "expected log-likelihood under the data.",
    source="Parzen 1962; convolution of Gaussians",
)
def kernel_density_likelihood() -> Iterator[Measurement]:
    z, weights = gauss_hermite(1, 60)
    u = (np.arange(4000) + 0.5) / 4000
    quantiles = inverse_cdf(Normal(np.array(0.0), np.array(1.0)).cdf, u, -10, 10).numpy()
    for h in (0.6, 1.0):
        closed = -0.5 * math.log(2 * math.pi * (1 + h * h)) - 0.5 / (1 + h * h)
        of_each = np.stack([np.exp(KernelDensity(point[None], h).log_prob(z).numpy()) for point in z])
        yield equal(f"points and data by quadrature, h = {h:g}", weights @ np.log(weights @ of_each), closed)
        law = KernelDensity(quantiles[:, None], h)
        yield equal(f"4,000 quantiles as points, h = {h:g}", weights @ law.log_prob(z).numpy(), closed, 1e-3)


# -- entropy floors ------------------------------------------------------------------------------------------

FLOORS = {
    "eight gaussians": (truth.eight_gaussians(), 2.8319),
    "two moons": (truth.two_moons(), 2.3939),
    "checkerboard": (truth.checkerboard(), 3.4657),
    "grid of 25": (truth.grid(), 0.0653),
    "ring of 8": (truth.ring(), -4.2930),
}


def _picture_of_densities() -> Maps:
    line = np.linspace(-4.4, 4.4, 150)
    points = np.stack(np.meshgrid(line, line), -1)
    names = ("eight gaussians", "two moons", "checkerboard")
    caption = "Toy densities. Their entropy, the least loss of any model, is " + ", ".join(
        f"{FLOORS[name][1]:.4f} ({name})" for name in names
    )
    values = {name: np.exp(FLOORS[name][0].log_prob(points).numpy()) for name in names}
    return Maps(caption + " nats.", values, (-4.4, 4.4))


@check(
    42,
    "density",
    "Entropy floors of the toy densities",
    formula=r"H=-\int p\log p\,dx,\qquad E_p[-\log q]\geq H",
    statement="What no model's negative log-likelihood can go below. Components without overlap have "
    "log K + log(2 pi e s^2), the board log 32; the others are integrated. Draws have the same mean.",
    source="Figures: a quadrature at 1e-10 nats. Densities: Grathwohl et al. 2019; Srivastava et al. 2017",
    picture=_picture_of_densities,
)
def entropy_floors() -> Iterator[Measurement]:
    line = np.arange(-6.5, 6.5, 0.08)
    log_p = truth.eight_gaussians().log_prob(np.stack(np.meshgrid(line, line), -1)).numpy()
    exact = {
        "eight gaussians": -(np.exp(log_p) * log_p).sum() * 0.08**2,
        "checkerboard": math.log(32),
        "grid of 25": math.log(25) + math.log(2 * math.pi * math.e * 0.05**2),
        "ring of 8": math.log(8) + math.log(2 * math.pi * math.e * 0.01**2),
    }
    for name, (law, printed) in FLOORS.items():
        entropy, draws = law.entropy(), law.sample(5000, Generator(3))
        yield equal(f"{name}, four decimals", entropy, printed, 5e-5)
        if name in exact:
            yield equal(name, entropy, exact[name])
        surprise = -law.log_prob(draws).numpy()
        if name == "checkerboard":
            yield equal(f"{name}, -log p of 5,000 draws", surprise, np.full(5000, entropy))
        else:
            yield estimate(f"{name}, -log p of draws", surprise, entropy)
    places = np.array([[0.0, 0.0], [-3.1, -0.3], [1.0, 1.7], [4.0, 3.0]])
    yield equal("two moons: log p from the arcs", truth.two_moons().log_prob(places), _log_p_of_moons(places))


def _log_p_of_moons(x: np.ndarray) -> np.ndarray:
    """The mean over two arcs of a Gaussian about each of their points, by 400 nodes an arc."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    angle = math.pi * (nodes + 1) / 2
    upper = np.stack([2 * np.cos(angle) - 1, 2 * np.sin(angle) - 0.2], -1)
    lower = np.stack([1 - 2 * np.cos(angle), 0.8 - 2 * np.sin(angle)], -1)
    kernel = sum(np.exp(-((x[:, None] - arc) ** 2).sum(-1) / (2 * 0.2**2)) for arc in (upper, lower))
    return np.log(kernel @ weights / 4 / (2 * math.pi * 0.2**2))
