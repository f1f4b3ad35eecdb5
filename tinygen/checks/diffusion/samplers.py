"""Samplers: DDIM (line 15), cold diffusion (line 21), and the noise that the last step must not add."""

from collections.abc import Callable, Iterator

import numpy as np

from tinygen.checks.diffusion.gaussian_data import ONE, ZERO, GaussianData, times
from tinygen.checks.measurement import Measurement, at_least, equal
from tinygen.checks.registry import check
from tinygen.diffusion.cold import improved_steps, naive_steps
from tinygen.diffusion.ddim import ddim_step, ddim_steps
from tinygen.diffusion.process import q_posterior_mean, q_sample
from tinygen.diffusion.sampler import Variance, ancestral_sample, ancestral_steps, reverse_mean
from tinygen.diffusion.schedule import Schedule, cosine, linear
from tinygen.drawing import Curves
from tinygen.random import Generator
from tinygen.tensor import Tensor

SCHEDULE = linear(60, last=0.3)


@check(
    15,
    "diffusion",
    "Every eta keeps the marginals",
    formula=r"x_t \sim q(x_t|x_0) \;\Rightarrow\; x_{t-1} \sim N(\sqrt{\bar\alpha_{t-1}}\,x_0, (1-\bar\alpha_{t-1}) I)",
    statement="A DDIM step with the true noise leads from q(x_t | x_0) to q(x_{t-1} | x_0), with as much fresh noise as"
    " eta asks for; with eta = 1 it is the posterior.",
    source="Song, Meng and Ermon 2021, eqs. 7, 12 and 16, lemma 1",
)
def ddim_marginals() -> Iterator[Measurement]:
    for eta in (0.0, 0.4, 1.0):
        of_data, variances, fresh, of_posterior = [], [], [], []
        for step in range(1, 61):
            t = times(1, step)

            def moved(x_0: Tensor, noise: Tensor, z: Tensor, t: Tensor = t, eta: float = eta) -> float:
                return ddim_step(SCHEDULE, q_sample(SCHEDULE, x_0, t, noise), noise, t, z, eta).item()

            of_data.append(moved(ONE, ZERO, ZERO))
            fresh.append(moved(ZERO, ZERO, ONE) ** 2)
            variances.append(moved(ZERO, ONE, ZERO) ** 2 + fresh[-1])
            of_posterior.append(q_posterior_mean(SCHEDULE, 0 * ONE, q_sample(SCHEDULE, ZERO, t, ONE), t).item())
        a = SCHEDULE.alpha_bar
        yield equal(f"eta = {eta}: mean for x_0 = 1, every t", of_data, np.sqrt(a[:-1]))
        yield equal(f"eta = {eta}: variance, every t", variances, 1 - a[:-1])
        sigma2 = eta**2 * (1 - a[:-1]) / (1 - a[1:]) * (1 - a[1:] / a[:-1])
        yield equal(f"eta = {eta}: of which fresh, every t", fresh, sigma2)
    kept = np.sqrt(np.array(variances) - np.array(fresh))
    yield equal("eta = 1: of the old noise as much as the posterior keeps", kept, of_posterior)


@check(
    15,
    "diffusion",
    "DDIM is exact on a point",
    formula=r"q(x_0) = \delta_\mu \;\Rightarrow\; x_0 = \mu",
    statement="With the best prediction for data that is one point, any number of steps at any eta ends on it.",
    source="Song, Meng and Ermon 2021, eq. 12",
)
def ddim_point_mass() -> Iterator[Measurement]:
    data = GaussianData(-0.4, 0.0)
    x_T = Generator(0).normal((5, 1), dtype="float64")
    for eta in (0.0, 0.5, 1.0):
        for visited in ([60], [10, 35, 60], None):
            *_, (_, x) = ddim_steps(data.denoiser(SCHEDULE), SCHEDULE, x_T, Generator(1), visited, eta)
            steps = "all" if visited is None else len(visited)
            yield equal(f"eta = {eta}, {steps} steps, from 5 draws of x_T", x, np.full((5, 1), -0.4))


THETA = 1.5


def contraction(steps: int) -> float:
    """What DDIM makes of x_T = 1 for data N(0, 1), in equal steps of theta = arccos sqrt(alpha_bar)."""
    schedule = Schedule(np.cos(np.linspace(0, THETA, steps + 1)) ** 2)
    *_, (_, x) = ddim_steps(GaussianData(0.0, 1.0).denoiser(schedule), schedule, ONE, Generator(0))
    return x.item()


def picture_of_contraction() -> Curves:
    """How fast few steps shrink the samples."""
    counts = np.arange(1, 41)
    lines = {
        "DDIM": np.array([contraction(int(k)) for k in counts]),
        "1 - theta^2 / 2K": 1 - THETA**2 / (2 * counts),
        "as K grows": np.ones(40),
    }
    return Curves(f"What K steps leave of N(0, 1), theta = {THETA}", counts, lines, "K", "factor on x_T")


@check(
    15,
    "diffusion",
    "Few steps shrink N(0, 1)",
    formula=r"x_0 = \cos^K(\theta/K)\, x_T, \quad \theta = \arccos\sqrt{\bar\alpha_T}",
    statement="On data N(0, I), K equal steps in theta turn by theta / K each and multiply by its cosine: samples are"
    " too narrow, by theta^2 / 2K at first order.",
    source="Song, Meng and Ermon 2021, eq. 12, with the exact prediction sqrt(1 - alpha_bar) x_t",
    picture=picture_of_contraction,
)
def ddim_contraction() -> Iterator[Measurement]:
    for steps in (1, 2, 5, 50):
        yield equal(f"K = {steps}, theta = {THETA}", contraction(steps), np.cos(THETA / steps) ** steps)


@check(
    21,
    "diffusion",
    "Cold diffusion's improved sampler forgives the restorer",
    formula=r"D(x, s) = x + s\,e \;\Rightarrow\; x_{s-1} = x_s - D(R, s) + D(R, s-1) = x_0 + (s-1)\,e",
    statement="Where the degradation is linear in its severity, every iterate is exact whatever the restorer says;"
    " the naive sampler goes astray with the same restorer.",
    source="Bansal et al. 2022, algorithms 1 and 2, section 3.3",
)
def cold_diffusion() -> Iterator[Measurement]:
    rng, severity = np.random.default_rng(0), 8
    x_0, direction = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))

    def degrade(x: Tensor, s: int) -> Tensor:
        return x + s * direction

    def blind(x: Tensor, s: int) -> Tensor:
        return 0.0 * x + 5.0

    def wild(x: Tensor, s: int) -> Tensor:
        return x * x - 0.1 * s

    restorers: dict[str, Callable[[Tensor, int], Tensor]] = {"blind": blind, "wild": wild}
    x_T = Tensor(x_0 + severity * direction)
    for name, restore in restorers.items():
        seen = []
        for s, x in improved_steps(restore, degrade, x_T, severity):
            seen.append(s)
            yield equal(f"{name} restorer: x at severity {s}", x, x_0 + s * direction)
        yield equal(f"{name} restorer: severities visited", seen, np.arange(severity)[::-1])
    *before, (last, x) = naive_steps(blind, degrade, x_T, severity)
    yield equal("severities the naive sampler visits", [*(s for s, _ in before), last], np.arange(severity)[::-1])
    yield equal("the naive sampler gives what the blind restorer said", x, np.full((3, 4), 5.0))
    yield at_least("and so is off by", float(np.abs(x.numpy() - x_0).max()), 1.0)


@check(
    43,
    "diffusion",
    "The last step adds no noise",
    formula=r"q(x_0) = \delta_\mu \;\Rightarrow\; x_0 = \tilde\mu_1(x_1) = \mu",
    statement="Ancestral sampling with the best prediction for one point ends on it exactly, with either variance:"
    " noise at t = 1 would show as it is.",
    source="Ho et al. 2020, algorithm 2, line 3; seen wrong in annotated implementations",
)
def last_step_is_noiseless() -> Iterator[Measurement]:
    data = GaussianData(-0.4, 0.0)
    choices: tuple[Variance, ...] = ("beta", "posterior")
    for variance in choices:
        for name, schedule in (("linear", SCHEDULE), ("cosine", cosine(60))):
            x = ancestral_sample(data.denoiser(schedule), schedule, (7, 1), Generator(0), variance, dtype="float64")
            yield equal(f"{name}, {variance}, 7 samples", x, np.full((7, 1), -0.4))
    denoise, draws, added, exact = GaussianData(0.0, 0.8).denoiser(SCHEDULE), Generator(3), [], []
    before = ONE
    for t, x in ancestral_steps(denoise, SCHEDULE, ONE, Generator(3)):
        added.append((x - reverse_mean(denoise, SCHEDULE, before, times(1, t + 1))).item())
        exact.append(np.sqrt(SCHEDULE.beta[t + 1]) * draws.normal((1, 1), "float64").item() if t else 0.0)
        before = x
    yield equal("what every step adds to its mean: sigma_t z, and 0 at the last", added, exact)
