"""Score matching on Gaussian data: line 19."""

from collections.abc import Iterator

import numpy as np

from tinygen.checks.diffusion.gaussian_data import GaussianData
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.diffusion.score_matching import denoising, explicit, implicit, sliced
from tinygen.drawing import Curves
from tinygen.tensor import Tensor

VARIANCE, SD = 1.7, 0.6  # of the data, of the noise


def objectives(a: float) -> tuple[float, float, float, float]:
    """Expectations, for the score -a x: implicit on the data; implicit, denoising, explicit on what is noised."""
    x, noise, weight = GaussianData(0.0, VARIANCE**0.5).quadrature()
    score = lambda z: -a * z
    noised = x + SD * noise
    terms = (
        implicit(score, x),
        implicit(score, noised),
        denoising(score, x, noise, SD),
        explicit(score, lambda z: -z / (VARIANCE + SD**2), noised),
    )
    first, second, third, fourth = (float(weight @ term.numpy()) for term in terms)
    return first, second, third, fourth


def picture_of_objectives() -> Curves:
    """Three curves, one shape."""
    a = np.linspace(0, 1.2, 61)
    _, hyvarinen, noisy, distance = np.array([objectives(value) for value in a]).T
    lines = {"explicit: half the squared distance": distance, "denoising": noisy, "implicit": hyvarinen}
    return Curves("Objectives of the score -a x on the noised data: apart by constants", a, lines, "a", "objective")


@check(
    19,
    "diffusion",
    "Hyvarinen's objective of a line",
    formula=r"J(-a x) = \frac{a^2 v}{2} - a",
    statement="For data of variance v and the score -a x, the square gives a^2 v / 2, the trace of its derivative -a;"
    " in D dimensions the trace is that of the matrix, and slices along unit vectors add up to it.",
    source="Hyvarinen 2005, eq. 4; Song et al. 2019 (sliced)",
)
def hyvarinen_objective() -> Iterator[Measurement]:
    for a in (0.0, 0.3, 1 / VARIANCE, 2.0):
        yield equal(f"a = {a:.3g}, v = {VARIANCE}", objectives(a)[0], a**2 * VARIANCE / 2 - a)
    rng = np.random.default_rng(0)
    matrix, x = rng.normal(size=(3, 3)), Tensor(rng.normal(size=(5, 3)))
    score = lambda z: z @ matrix.T + z * z * z
    s, d = score(x).numpy(), np.trace(matrix) + 3 * (x.numpy() ** 2).sum(1)
    exact = 0.5 * (s**2).sum(1) + d
    yield equal("A x + x^3, each of 5 points in 3 dimensions", implicit(score, x), exact)
    slices = sum(sliced(score, x, Tensor(np.tile(e, (5, 1)))).numpy() - 0.5 * (s**2).sum(1) for e in np.eye(3))
    yield equal("the same, sliced along the 3 axes", slices + 0.5 * (s**2).sum(1), exact)


@check(
    19,
    "diffusion",
    "Denoising and explicit score matching differ by a constant",
    formula=r"J_{\mathrm{denoising}} - J_{\mathrm{explicit}} = \frac{1}{2}\left(\frac{1}{s^2} - \frac{1}{v+s^2}\right)",
    statement="On data N(0, v) with noise s the difference is the same for every parameter; so is the one between"
    " explicit and implicit, half the Fisher information of the noised data.",
    source="Vincent 2011, eq. 11 and appendix; Hyvarinen 2005, theorem 1",
    picture=picture_of_objectives,
)
def denoising_and_explicit() -> Iterator[Measurement]:
    for a in (-0.5, 0.0, 0.4, 3.0):
        _, hyvarinen, noisy, distance = objectives(a)
        yield equal(f"a = {a}: denoising - explicit", noisy - distance, (1 / SD**2 - 1 / (VARIANCE + SD**2)) / 2)
        yield equal(f"a = {a}: explicit - implicit", distance - hyvarinen, 1 / (VARIANCE + SD**2) / 2)
