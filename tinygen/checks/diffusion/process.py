"""The forward process, its posterior, and what a network may predict: lines 11 and 16."""

from collections.abc import Iterator

import numpy as np

from tinygen.checks.diffusion.gaussian_data import ONE, ZERO, times
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.diffusion.prediction import Kind, noise_from, noise_to
from tinygen.diffusion.process import q_posterior_mean, q_sample, q_step
from tinygen.diffusion.schedule import SCHEDULES, linear
from tinygen.tensor import Tensor


@check(
    11,
    "diffusion",
    "One jump equals many steps",
    formula=r"q(x_t|x_0) = N(\sqrt{\bar\alpha_t}\, x_0,\; (1-\bar\alpha_t) I)",
    statement="Composing the steps q(x_t | x_{t-1}) gives the jump q(x_t | x_0), at every t of both schedules.",
    source="Ho et al. 2020, eqs. 2 and 4",
)
def forward_process() -> Iterator[Measurement]:
    for name, make in SCHEDULES.items():
        schedule, steps = make(100), 100
        gain, variance = 1.0, 0.0  # of x_t as a function of x_0
        gains, variances, jumps, spreads = [], [], [], []
        for step in range(1, steps + 1):
            t = times(1, step)
            keep, add = q_step(schedule, ONE, t, ZERO).item(), q_step(schedule, ZERO, t, ONE).item()
            gain, variance = keep * gain, keep**2 * variance + add**2
            gains.append(gain)
            variances.append(variance)
            jumps.append(q_sample(schedule, ONE, t, ZERO).item())
            spreads.append(q_sample(schedule, ZERO, t, ONE).item() ** 2)
        yield equal(f"{name}: mean of x_t, x_0 = 1, at every t", jumps, gains)
        yield equal(f"{name}: variance of x_t at every t", spreads, variances)


@check(
    11,
    "diffusion",
    "The posterior is Bayes' rule",
    formula=r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\beta_t}{1-\bar\alpha_t} x_0"
    r" + \frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t} x_t,"
    r"\quad \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\beta_t",
    statement="Mean and variance of q(x_{t-1} | x_t, x_0) are those of the joint Gaussian of the chain, conditioned.",
    source="Ho et al. 2020, eq. 7",
)
def posterior() -> Iterator[Measurement]:
    x_0, x_t = 0.7, -1.3
    for name, make in SCHEDULES.items():
        schedule = make(50)
        found, means, variances = [], [], []
        for t in range(1, 51):
            # Steps before t, then one more: var(x_{t-1}), cov(x_{t-1}, x_t) and var(x_t) given x_0.
            gain, before = 1.0, 0.0
            for beta in schedule.beta[1:t]:
                gain, before = np.sqrt(1 - beta) * gain, (1 - beta) * before + beta
            keep, add = np.sqrt(1 - schedule.beta[t]), schedule.beta[t]
            covariance, variance = keep * before, keep**2 * before + add
            means.append(gain * x_0 + covariance / variance * (x_t - keep * gain * x_0))
            variances.append(before - covariance**2 / variance)
            found.append(q_posterior_mean(schedule, x_0 * ONE, x_t * ONE, times(1, t)).item())
        yield equal(f"{name}: mean, every t from 1 to 50", found, means)
        yield equal(f"{name}: variance, every t", schedule.posterior_variance[1:], variances)


@check(
    16,
    "diffusion",
    "Noise, data, velocity and score say the same",
    formula=r"v = \sqrt{\bar\alpha}\, e - \sqrt{1-\bar\alpha}\, x_0, \quad s = -e / \sqrt{1-\bar\alpha}",
    statement="At x_t made of a known x_0 and noise, each prediction implies the three others.",
    source="Ho et al. 2020, eqs. 9 and 15; Salimans and Ho 2022, section 4; Song et al. 2021 (score)",
)
def predictions() -> Iterator[Measurement]:
    rng, schedule = np.random.default_rng(1), linear(1000)
    x_0, noise = Tensor(rng.normal(size=(4, 3))), Tensor(rng.normal(size=(4, 3)))
    for step in (1, 500, 1000):
        t = times(4, step)
        x_t = q_sample(schedule, x_0, t, noise)
        a, s = np.sqrt(schedule.alpha_bar[step]), np.sqrt(1 - schedule.alpha_bar[step])
        exact: dict[Kind, Tensor] = {
            "noise": noise,
            "x0": x_0,
            "velocity": a * noise - s * x_0,
            "score": (a * x_0 - x_t) / s**2,
        }
        for kind, value in exact.items():
            yield equal(f"{kind} from the noise, t = {step}", noise_to(kind, noise, schedule, x_t, t), value)
            yield equal(f"noise from the {kind}, t = {step}", noise_from(kind, value, schedule, x_t, t), noise)
