"""Gaussian data through the whole model: the best prediction, the least loss, the reverse step (line 12)."""

from collections.abc import Iterator

import numpy as np

import tinygen as tg
from tinygen import truth
from tinygen.checks.diffusion.gaussian_data import GaussianData, times
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.diffusion.objective import noise_errors
from tinygen.diffusion.process import q_posterior_mean
from tinygen.diffusion.sampler import Variance, reverse_mean, reverse_variance
from tinygen.diffusion.schedule import linear
from tinygen.drawing import Curves
from tinygen.tensor import Tensor

SCHEDULE = linear(60, last=0.3)
LAWS = [GaussianData(0.8, s) for s in (0.3, 1.0, 2.5)]


@check(
    12,
    "diffusion",
    "The best noise prediction",
    formula=r"\mathrm{E}[e|x_t] = \frac{\sqrt{1-\bar\alpha}\,(x_t - \sqrt{\bar\alpha}\mu)}{V},"
    r"\quad V = \bar\alpha s^2 + 1 - \bar\alpha",
    statement="On data N(mu, s^2) the truth's prediction, by Tweedie's formula from its score, is this line.",
    source="conditioning of the joint Gaussian; Efron 2011 (Tweedie)",
)
def best_noise_prediction() -> Iterator[Measurement]:
    x = np.linspace(-3, 3, 7)[:, None]
    for data in LAWS:
        law = truth.Gaussian(np.array([data.mean]), data.s**2)
        for t in (1, 20, 60):
            a = SCHEDULE.alpha_bar[t]
            line = np.sqrt(1 - a) * (x - np.sqrt(a) * data.mean) / (a * data.s**2 + 1 - a)
            yield equal(f"s = {data.s}, t = {t}, at 7 points", law.at(a).noise(x), line)


@check(
    12,
    "diffusion",
    "The least simple loss",
    formula=r"\min L_{\mathrm{simple}}(t) = \frac{\bar\alpha_t s^2}{V_t}",
    statement="The best prediction reaches it, and no other line does better: there the loss is stationary.",
    source="conditional variance of the noise; the loss is Ho et al. 2020, eq. 14",
)
def least_simple_loss() -> Iterator[Measurement]:
    for data in LAWS:
        x_0, noise, weight = data.quadrature()
        denoise = data.denoiser(SCHEDULE)
        for t in (1, 10, 60):
            a, v = SCHEDULE.alpha_bar[t], data.marginal_variance(SCHEDULE)[t]
            time = times(len(x_0), t)
            found = (noise_errors(denoise, SCHEDULE, x_0, time, noise) * Tensor(weight)).sum()
            yield equal(f"s = {data.s}, t = {t}", found, a * data.s**2 / v)
            twice = noise_errors(denoise, SCHEDULE, tg.concat([x_0, x_0], 1), time, tg.concat([noise, noise], 1))
            yield equal(
                f"s = {data.s}, t = {t}: the mean over two dimensions", twice.numpy() @ weight, a * data.s**2 / v
            )
            line = tg.tensor([np.sqrt(1 - a) / v, np.sqrt(a) * data.mean], dtype="float64", requires_grad=True)

            def predict(x: Tensor, t: Tensor, line: Tensor = line) -> Tensor:
                return line[0] * (x - line[1])

            loss = noise_errors(predict, SCHEDULE, x_0, time, noise)
            slope = tg.grad((loss * Tensor(weight)).sum(), line)[0]
            yield equal(f"s = {data.s}, t = {t}: gradient in the line's slope and centre", slope, np.zeros(2))


def picture_of_reverse_variance() -> Curves:
    """Between the posterior variance and beta, as the data spreads from a point to N(0, 1)."""
    s2, t = np.linspace(0, 1.5, 61), 5
    lines = {
        "true reverse variance": np.array([GaussianData(0.0, v**0.5).reverse_variance(SCHEDULE)[t] for v in s2]),
        "beta": np.full(61, reverse_variance(SCHEDULE, "beta")[t]),
        "posterior variance": np.full(61, reverse_variance(SCHEDULE, "posterior")[t]),
    }
    return Curves(f"The reverse step at t = {t} of {SCHEDULE.steps}", s2, lines, "variance of the data", "variance")


@check(
    12,
    "diffusion",
    "The true reverse variance",
    formula=r"\mathrm{Var}[x_{t-1}|x_t] = \tilde\beta_t + c_1^2 \frac{s^2 (1-\bar\alpha_t)}{V_t},"
    r"\quad c_1 = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}",
    statement="The posterior variance and what is unknown of x_0 make up the variance of q(x_{t-1} | x_t)."
    " It equals beta where the data is N(mu, 1), and the posterior variance where the data is one point.",
    source="Ho et al. 2020, section 3.2; conditioning of the Gaussian pair",
    picture=picture_of_reverse_variance,
)
def true_reverse_variance() -> Iterator[Measurement]:
    a = SCHEDULE.alpha_bar[1:]
    one, zero = Tensor(np.ones((60, 1))), Tensor(np.zeros((60, 1)))
    every = Tensor(np.arange(1, 61))
    c1 = q_posterior_mean(SCHEDULE, one, zero, every).numpy().ravel()
    for data in LAWS:
        unknown = data.s**2 * (1 - a) / data.marginal_variance(SCHEDULE)[1:]
        found = SCHEDULE.posterior_variance[1:] + c1**2 * unknown
        yield equal(f"s = {data.s}, every t", found, data.reverse_variance(SCHEDULE)[1:])
    pairs: list[tuple[Variance, float]] = [("beta", 1.0), ("posterior", 0.0)]
    for name, s in pairs:
        exact = GaussianData(0.8, s).reverse_variance(SCHEDULE)[1:]
        yield equal(f'"{name}", s = {s:g}, every t', reverse_variance(SCHEDULE, name)[1:], exact)


@check(
    12,
    "diffusion",
    "One reverse step carries each marginal to the one before",
    formula=r"g^2 V_t + \mathrm{Var}[x_{t-1}|x_t] = V_{t-1},"
    r"\quad m(\sqrt{\bar\alpha_t}\mu) = \sqrt{\bar\alpha_{t-1}}\mu, \quad g = m'",
    statement="With the best prediction and the true reverse variance the step's mean is affine in x_t, and moves mean"
    " and variance of x_t to those of x_{t-1}.",
    source="Ho et al. 2020, eq. 11 and algorithm 2",
)
def reverse_step() -> Iterator[Measurement]:
    x = Tensor(np.array([[-1.0], [0.0], [2.0]]))
    for data in [*LAWS, GaussianData(0.8, 1e-3)]:
        denoise, variance = data.denoiser(SCHEDULE), data.reverse_variance(SCHEDULE)
        v, a = data.marginal_variance(SCHEDULE), SCHEDULE.alpha_bar
        bends, means, variances = [], [], []
        for t in range(1, 61):
            left, middle, right = reverse_mean(denoise, SCHEDULE, x, times(3, t)).numpy().ravel()
            gain = (right - middle) / 2
            bends.append(gain - (middle - left))
            means.append(middle + gain * np.sqrt(a[t]) * data.mean)
            variances.append(gain**2 * v[t] + variance[t])
        yield equal(f"s = {data.s}: the mean is affine, every t", bends, np.zeros(60))
        yield equal(f"s = {data.s}: mean of x_(t-1), every t", means, np.sqrt(a[:-1]) * data.mean)
        yield equal(f"s = {data.s}: variance of x_(t-1), every t", variances, v[:-1])
