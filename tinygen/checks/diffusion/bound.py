"""The variational bound in closed form, and what its weights are: lines 13 and 14."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen import truth
from tinygen.checks.diffusion.gaussian_data import ONE, GaussianData, times
from tinygen.checks.measurement import Measurement, at_least, equal
from tinygen.checks.registry import check
from tinygen.diffusion.bound import bound_estimate, prior_term, step_term
from tinygen.diffusion.prediction import noise_to
from tinygen.diffusion.process import q_sample
from tinygen.diffusion.sampler import Variance
from tinygen.diffusion.schedule import Schedule, cosine, linear
from tinygen.drawing import Curves
from tinygen.tensor import Tensor


def exact_bound(data: GaussianData, schedule: Schedule, variance: Variance | np.ndarray) -> float:
    """The expectation of the bound with the best prediction, by quadrature that is exact for its quadratics."""
    x_0, noise, weight = data.quadrature()
    denoise = data.denoiser(schedule)
    total = float(weight @ prior_term(schedule, x_0).numpy())
    for t in range(1, schedule.steps + 1):
        term = step_term(denoise, schedule, x_0, times(len(x_0), t), noise, variance)
        total += float(weight @ term.numpy())
    return total


@check(
    13,
    "diffusion",
    "The bound is the entropy plus the mismatch of the prior",
    formula=r"\mathrm{E}[L_T + \sum_t L_{t-1} + L_0] = \frac{1}{2}\log 2\pi e s^2 + \mathrm{KL}(q(x_T)\,||\,N(0,1))",
    statement="On data N(0, s^2), with the best prediction and the true reverse variance, nothing is lost by the chain."
    " Any other variance costs more; a time drawn for each example gives an unbiased estimate.",
    source="Ho et al. 2020, eq. 5; Sohl-Dickstein et al. 2015, appendix B",
)
def variational_bound() -> Iterator[Measurement]:
    schedules = {"linear, T = 40": linear(40, last=0.3), "one step": linear(1), "cosine, T = 30": cosine(30)}
    for name, schedule in schedules.items():
        for s in (0.2, 1.0, 2.5):
            data = GaussianData(0.0, s)
            v = data.marginal_variance(schedule)[-1]
            exact = 0.5 * math.log(2 * math.pi * math.e * s**2) + 0.5 * (v - 1 - math.log(v))
            found = exact_bound(data, schedule, data.reverse_variance(schedule))
            yield equal(f"{name}, s = {s}", found, exact)
    data, schedule = GaussianData(0.0, 0.5), linear(40, last=0.3)
    best = exact_bound(data, schedule, data.reverse_variance(schedule))
    yield at_least('s = 0.5 with "beta" for it', exact_bound(data, schedule, "beta"), best + 1e-3)
    yield at_least('s = 0.5 with "posterior" for it', exact_bound(data, schedule, "posterior"), best + 1e-3)

    x_0, noise, weight = data.quadrature()
    each, n = [], len(x_0)
    for t in range(1, schedule.steps + 1):
        drawn = bound_estimate(data.denoiser(schedule), schedule, x_0, times(n, t), np.ones(n), noise, "beta")
        each.append(float(weight @ drawn.numpy()))
    yield equal("the estimate from one time, its mean over times", np.mean(each), exact_bound(data, schedule, "beta"))

    point = GaussianData(0.4, 0.0)  # its best prediction leaves the constants of L_0
    for schedule, left, place in ((linear(40, last=0.3), "posterior_variance", 2), (linear(1), "beta", 1)):
        last = step_term(point.denoiser(schedule), schedule, 0.4 * ONE, times(1, 1), ONE, "posterior")
        exact = 0.5 * math.log(2 * math.pi * getattr(schedule, left)[place])
        yield equal(f'L_0 with "posterior", T = {schedule.steps}: the variance is {left}[{place}]', last, [exact])


@check(
    14,
    "diffusion",
    "The bound's weights are differences of SNR",
    formula=r"\frac{\beta_t^2\,\mathrm{SNR}_t}{2\tilde\beta_t\alpha_t(1-\bar\alpha_t)}"
    r" = \frac{1}{2}(\mathrm{SNR}_{t-1}-\mathrm{SNR}_t)",
    statement="A squared error of the predicted x_0 costs half of what the signal-to-noise ratio falls by in the step.",
    source="Kingma et al. 2021 (VDM), eq. 13; the left side is Ho et al. 2020, eq. 12",
)
def snr_weights() -> Iterator[Measurement]:
    wrong_by = 0.3
    for name, schedule in (("linear", linear(50, last=0.3)), ("cosine", cosine(50))):
        t = np.arange(2, 51)
        a, beta = schedule.alpha_bar, schedule.beta
        written = beta[t] ** 2 * schedule.snr[t] / (2 * schedule.posterior_variance[t] * (1 - beta[t]) * (1 - a[t]))
        yield equal(f"{name}: the two sides, every t above 1", written, (schedule.snr[t - 1] - schedule.snr[t]) / 2)
        x_0, noise = Tensor(np.full((49, 1), 0.4)), Tensor(np.full((49, 1), -0.7))
        time = Tensor(t)

        def denoise(x: Tensor, t: Tensor, x_0: Tensor = x_0, schedule: Schedule = schedule) -> Tensor:
            a = schedule.alpha_bar[t.numpy()][:, None]
            return (x - np.sqrt(a) * (x_0 + wrong_by)) / np.sqrt(1 - a)

        x_t = q_sample(schedule, x_0, time, noise)
        error = (noise_to("x0", denoise(x_t, time), schedule, x_t, time) - x_0).numpy().ravel() ** 2
        cost = step_term(denoise, schedule, x_0, time, noise, "posterior")
        yield equal(
            f"{name}: L_(t-1), x_0 wrong by {wrong_by}",
            cost,
            error * (a[t - 1] / (1 - a[t - 1]) - a[t] / (1 - a[t])) / 2,
        )


SECOND_MOMENT = 2.0


def mmse(snr: np.ndarray, s2: float = SECOND_MOMENT) -> np.ndarray:
    """E(x_0 - E[x_0 | x_t])^2 of data N(0, s2) at each ratio of signal to noise, by quadrature over (x_0, e)."""
    x_0, noise, weight = GaussianData(0.0, s2**0.5).quadrature()
    law, errors = truth.Gaussian(np.zeros(1), s2), []
    for a in snr / (1 + snr):
        x_t = np.sqrt(a) * x_0 + np.sqrt(1 - a) * noise
        errors.append(float(weight @ (law.at(a).denoiser(x_t) - x_0).numpy().ravel() ** 2))
    return np.array(errors)


def picture_of_mmse() -> Curves:
    """The area under half the error is the information."""
    snr = np.linspace(0.01, 8, 80)
    lines = {"MMSE / 2": mmse(snr) / 2, "its area, log(1 + s^2 SNR) / 2": np.log1p(SECOND_MOMENT * snr) / 2}
    return Curves("I-MMSE: the area under half the least squared error, s^2 = 2", snr, lines, "SNR", "nats")


@check(
    14,
    "diffusion",
    "The area under the least error is the information",
    formula=r"\frac{1}{2}\int_0^{S} \mathrm{MMSE}(\gamma)\, d\gamma = \frac{1}{2}\log(1 + s^2 S)",
    statement="Half the integral of the least squared error over the signal-to-noise ratio is the mutual information of"
    " x_0 and x_t, for data N(0, s^2).",
    source="Guo, Shamai and Verdu 2005, theorem 1; Kingma et al. 2021, section 5.1",
    picture=picture_of_mmse,
)
def area_under_the_error() -> Iterator[Measurement]:
    nodes, weights = np.polynomial.legendre.leggauss(24)
    for top in (0.5, 4.0):
        snr = (nodes + 1) / 2 * top
        area = float(weights @ mmse(snr)) / 2 * top
        yield equal(f"S = {top}, s^2 = {SECOND_MOMENT}", area / 2, math.log1p(SECOND_MOMENT * top) / 2)
