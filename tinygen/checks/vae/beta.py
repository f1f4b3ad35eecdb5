"""The beta-VAE on one normal coordinate: rate, distortion and collapse (CHECKS 4).

For x ~ N(0, l), decoder N(w z, s^2) and encoder N(v x, t^2) the optimum is, with a = beta s^2 < l,
w^2 = l - a, v = w / l, t^2 = a / l; for l <= a it is w = v = 0, t = 1: nothing is encoded.
"""

import math
from collections.abc import Iterator

import numpy as np

from tinygen.autodiff.backward import grad
from tinygen.checks.expectations import crossed, sigma_points
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.checks.vae.linear import Batch, linear_vae, place, steepest, train
from tinygen.drawing import Curves
from tinygen.random import Generator
from tinygen.vae.vae import VAE

SCALE = 0.7


def _data(variance: float) -> tuple[Batch, Generator]:
    x, rng = crossed(sigma_points(np.zeros(1), np.array([[variance]])), 1)
    return {"x": x}, rng


def _optimal(variance: float, beta: float) -> VAE:
    a = beta * SCALE**2
    w = math.sqrt(variance - a)
    model = linear_vae(1, 1, SCALE, beta)
    place(model.encoder, np.array([[w / variance], [0.0]]), np.array([0.0, 0.5 * math.log(a / variance)]))
    place(model.decoder, np.array([[w]]), np.zeros(1))
    return model


def _rate_and_distortion(model: VAE, batch: Batch, rng: Generator) -> tuple[float, float]:
    """KL to the prior, and E(x - w z)^2, from what the loss reports."""
    terms = model.loss(batch, rng)[1]
    density = 0.5 * math.log(2 * math.pi * SCALE**2)
    return terms["kl"].item(), 2 * SCALE**2 * (terms["reconstruction"].item() - density)


def _exact_rate(variance: float, beta: float) -> float:
    return max(0.0, 0.5 * math.log(variance / (beta * SCALE**2)))


def _second_derivatives(variance: float, beta: float) -> np.ndarray:
    """Of the loss in (w, v), where nothing is encoded."""
    model, (batch, rng) = linear_vae(1, 1, SCALE, beta), _data(variance)
    place(model.encoder, np.zeros((2, 1)), np.zeros(2))
    place(model.decoder, np.zeros((1, 1)), np.zeros(1))
    weights = [next(network.parameters()) for network in (model.decoder, model.encoder)]
    slopes = grad(model.loss(batch, rng)[0], weights, create_graph=True)
    rows = [grad(slope[0, 0], weights) for slope in slopes]
    return np.array([[second[0, 0].item() for second in row] for row in rows])


def _picture() -> Curves:
    beta, rates = 2.0, []
    variances = beta * SCALE**2 * np.array([0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0])
    for variance in variances:
        model, (batch, rng) = linear_vae(1, 1, SCALE, beta), _data(variance)
        train(model, batch, rng, 200, 0.1)
        rates.append(_rate_and_distortion(model, batch, rng)[0])
    exact = np.array([_exact_rate(variance, beta) for variance in variances])
    caption = f"Rate of the best code for data of variance l: none while l <= beta s^2 = {beta * SCALE**2:.2f}."
    lines = {"trained": np.array(rates), "log(l / (beta s^2)) / 2, or 0": exact}
    return Curves(caption, variances, lines, "variance l of the data", "KL to the prior, nats")


@check(
    4,
    "vae",
    "What beta trades: rate for distortion",
    formula=r"E(x-\hat{x})^2=\beta s^2,\qquad \mathrm{KL}=\frac{1}{2}\log\frac{l}{\beta s^2}\qquad(l>\beta s^2)",
    statement="On data of variance l with decoder variance s^2 the best linear beta-VAE has the distortion beta s^2 "
    "and the rate log(l / (beta s^2)) / 2: the point of the rate-distortion curve of a Gaussian that beta picks.",
    source="Higgins et al. 2017, eq. 4; Alemi et al. 2018; Cover and Thomas 2006, theorem 10.3.2",
)
def beta_tradeoff() -> Iterator[Measurement]:
    for variance, beta in ((3.0, 1.0), (3.0, 4.0), (2.0, 0.5)):
        setting = f"l = {variance:g}, beta = {beta:g}"
        batch, rng = _data(variance)
        model = _optimal(variance, beta)
        rate, distortion = _rate_and_distortion(model, batch, rng)
        yield equal(f"distortion, {setting}", distortion, beta * SCALE**2)
        yield equal(f"rate, {setting}", rate, _exact_rate(variance, beta))
        yield equal(f"gradient, {setting}", steepest(model, batch, rng), 0.0)


@check(
    4,
    "vae",
    "The posterior collapses exactly where beta allows no code",
    formula=r"w=0,\ \mathrm{KL}=0\quad\Leftrightarrow\quad l\leq\beta s^2",
    statement="At w = v = 0 the determinant of the loss's second derivatives is (l/s^4)(beta s^2 - l): a minimum when "
    "l < beta s^2, a saddle when l > beta s^2. Training ends with rate 0 on one side and not on the other.",
    source="Lucas et al. 2019; Cover and Thomas 2006, theorem 10.3.2",
    picture=_picture,
)
def posterior_collapse() -> Iterator[Measurement]:
    beta = 4.0
    a = beta * SCALE**2
    for share in (0.7, 0.99, 1.01, 1.5):
        variance = share * a
        batch, rng = _data(variance)
        yield equal(
            f"determinant at l = {share:g} beta s^2",
            np.linalg.det(_second_derivatives(variance, beta)),
            variance / SCALE**4 * (a - variance),
        )
    for share in (0.7, 1.5):
        model, (batch, rng) = linear_vae(1, 1, SCALE, beta), _data(share * a)
        train(model, batch, rng, 200, 0.1)
        rate, _ = _rate_and_distortion(model, batch, rng)
        yield equal(f"rate by training, l = {share:g} beta s^2", rate, _exact_rate(share * a, beta), 1e-4)
