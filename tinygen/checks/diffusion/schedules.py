"""Noise schedules and how times are drawn: lines 11 and 16, and the mistake of a time off by one."""

from collections.abc import Iterator

import numpy as np

from tinygen.checks.diffusion.gaussian_data import ONE, ZERO, times
from tinygen.checks.measurement import Measurement, equal, estimate
from tinygen.checks.registry import check
from tinygen.diffusion.objective import importance_times, uniform_times
from tinygen.diffusion.process import q_sample
from tinygen.diffusion.schedule import cosine, linear
from tinygen.drawing import Curves
from tinygen.random import Generator


def picture_of_alpha_bar() -> Curves:
    """What is left of the data, from all of it at t = 0."""
    t = np.arange(1001)
    lines = {"linear": linear().alpha_bar, "cosine": cosine().alpha_bar}
    return Curves("What is left of the data's variance at time t", t, lines, "t", "alpha_bar")


def picture_of_snr() -> Curves:
    """The ratio of signal to noise over time, in decades."""
    lines = {name: np.log10(make().snr[1:]) for name, make in (("linear", linear), ("cosine", cosine))}
    return Curves("Signal to noise: the two schedules", np.arange(1, 1001), lines, "t", "log10 SNR")


@check(
    11,
    "diffusion",
    "The linear schedule of 1000 steps",
    formula=r"\bar\alpha_T = \prod_{t=1}^{T} (1-\beta_t), \quad \beta_t = 10^{-4} + \frac{t-1}{T-1}(0.02 - 10^{-4})",
    statement="With T = 1000 it leaves alpha_bar_T = 4.0358e-5 of the data's variance.",
    source="Ho et al. 2020, section 4",
    picture=picture_of_snr,
)
def linear_schedule() -> Iterator[Measurement]:
    schedule = linear(1000)
    product = 1.0
    for t in range(1000):
        product *= 1.0 - (1e-4 + t / 999 * (0.02 - 1e-4))
    yield equal("alpha_bar_T is the product", schedule.alpha_bar[-1] / product, 1.0)
    yield equal("in units of 1e-5, to its printed digits", schedule.alpha_bar[-1] * 1e5, 4.0358, tolerance=5e-5 / 4)


@check(
    11,
    "diffusion",
    "The cosine schedule",
    formula=r"\bar\alpha_t = \frac{f(t)}{f(0)},"
    r"\quad f(t) = \cos^2\!\left(\frac{t/T + 0.008}{1.008}\frac{\pi}{2}\right)",
    statement="alpha_bar follows the squared cosine at every t until beta meets its limit 0.999.",
    source="Nichol and Dhariwal 2021, eq. 17",
)
def cosine_schedule() -> Iterator[Measurement]:
    schedule, t = cosine(100), np.arange(101)
    f = np.cos((t / 100 + 0.008) / 1.008 * np.pi / 2) ** 2
    yield equal("alpha_bar at t = 0 to 99", schedule.alpha_bar[:100], (f / f[0])[:100])
    yield equal("beta at t = 100", schedule.beta[100], 0.999)


@check(
    16,
    "diffusion",
    "Taking every k-th step keeps alpha_bar",
    formula=r"\bar\alpha'_i = \bar\alpha_{ki}, \quad 1-\beta'_i = \prod_{t=k(i-1)+1}^{ki} (1-\beta_t)",
    statement="A schedule that visits some times only has the same marginals there; its steps are products of steps.",
    source="Nichol and Dhariwal 2021, section 3.1 (eq. 19); Song et al. 2021, section 4.2",
)
def subsequences() -> Iterator[Measurement]:
    schedule = cosine(200)
    for k in (1, 2, 7, 50, 200):
        visited = list(range(k, 201, k))
        shorter = schedule.subsequence(visited)
        products = [np.prod(1.0 - schedule.beta[t - k + 1 : t + 1]) for t in visited]
        yield equal(f"alpha_bar, k = {k}", shorter.alpha_bar, schedule.alpha_bar[[0, *visited]])
        yield equal(f"1 - beta, k = {k}", 1.0 - shorter.beta[1:], products)


@check(
    16,
    "diffusion",
    "Importance-sampled times are unbiased",
    formula=r"\mathrm{E}_{t \sim p}\left[\frac{1}{T p_t} L_t\right] = \frac{1}{T}\sum_t L_t",
    statement="A time t is drawn with p_t and weighs 1 / (T p_t): the weighted mean is that over uniform times,"
    " whatever the losses L_t.",
    source="Nichol and Dhariwal 2021, eq. 18",
)
def importance_sampling() -> Iterator[Measurement]:
    schedule, n = linear(20), 200_000
    p = np.concatenate([[0.0], np.arange(1.0, 21.0)])
    p /= p.sum()
    drawn = importance_times(schedule, n, Generator(1), p)
    t = np.asarray(drawn.t)
    yield equal("p_t times the weight, every draw", p[t] * drawn.weight, np.full(n, 1 / 20))
    deviations = (np.bincount(t, minlength=21)[1:] / n - p[1:]) / np.sqrt(p[1:] * (1 - p[1:]) / n)
    yield equal(f"shares of t less p_t, in std. errors (n = {n:,})", deviations, np.zeros(20), tolerance=5.0)
    loss = schedule.alpha_bar  # any function of t
    yield estimate("the weighted mean of alpha_bar", drawn.weight * loss[t], loss[1:].mean())
    uniform = uniform_times(schedule, n, Generator(2))
    shares = np.bincount(np.asarray(uniform.t), minlength=21) / n
    deviations = (shares[1:] - 1 / 20) / np.sqrt(1 / 20 * (1 - 1 / 20) / n)
    yield equal(f"uniform: shares less 1/T, in std. errors (n = {n:,})", deviations, np.zeros(20), tolerance=5.0)
    yield equal("uniform: t = 0 is never drawn", shares[0], 0.0)


@check(
    43,
    "diffusion",
    "Time 0 is the data",
    formula=r"\bar\alpha_0 = 1, \quad \beta_0 = 0, \quad \tilde\beta_1 = 0, \quad q(x_0|x_0) = \delta",
    statement="alpha_bar is stored from t = 0, where nothing has been noised yet: step 1 adds beta_1 and no more."
    " A time off by one, or an alpha_bar_0 left out, shows here.",
    source="Ho et al. 2020, section 2; seen wrong in implementations that index beta from 0",
    picture=picture_of_alpha_bar,
)
def time_zero_is_the_data() -> Iterator[Measurement]:
    schedule = linear(10, 0.1, 0.5)
    yield equal("entries of alpha_bar, T = 10", len(schedule.alpha_bar), 11)
    yield equal("alpha_bar at 0", schedule.alpha_bar[0], 1.0)
    yield equal("beta at t = 0, 1 and T", schedule.beta[[0, 1, 10]], [0.0, 0.1, 0.5])
    yield equal("posterior variance at t = 0 and 1", schedule.posterior_variance[:2], [0.0, 0.0])
    yield equal("the jump to 0 of x_0 = 1 with noise 1", q_sample(schedule, ONE, times(1, 0), ONE), ONE)
    noise = q_sample(schedule, ZERO, times(1, 1), ONE)
    yield equal("the jump to 1 adds beta_1", noise * noise, 0.1 * ONE)
