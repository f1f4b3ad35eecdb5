"""Every flow that exists: its log-determinant is that of its Jacobian, and its inverse undoes it (line 33)."""

from collections.abc import Iterator

import numpy as np

import tinygen as tg
from tinygen.checks.flow.cases import CASES, Case, built, examples, shaken
from tinygen.checks.measurement import Measurement, at_least, equal
from tinygen.checks.registry import check
from tinygen.flow.actnorm import ActNorm
from tinygen.flow.contract import Flow
from tinygen.flow.invertible_convolution import InvertibleConvolution
from tinygen.flow.planar import Planar
from tinygen.random import Generator
from tinygen.tensor import Tensor


def _name(case: Case) -> str:
    return f"{case.kind.__name__} on {case.shape}"


def slogdet(flow: Flow, x: np.ndarray) -> tuple[float, float]:
    """The sign and the logarithm of det dy/dx at one example (*shape), by autodiff."""
    image = lambda z: flow(z.reshape(1, *x.shape))[0].reshape(-1)
    sign, logarithm = np.linalg.slogdet(tg.jacobian(image, x.reshape(-1)).numpy())
    return float(sign), float(logarithm)


@check(
    33,
    "flow",
    "The log-determinant is that of the Jacobian",
    formula=r"\log p(x) = \log p(f(x)) + \log|\det \partial f / \partial x|",
    statement="For every class of flow, with random parameters, each example of a batch gets log|det| of the Jacobian"
    " that autodiff takes of it alone.",
    source="Rezende and Mohamed 2015, eq. 5; Dinh et al. 2017, eqs. 2 and 3",
)
def log_determinant() -> Iterator[Measurement]:
    for case in CASES:
        flow, x = built(case), examples(case)
        _, log_det = flow(Tensor(x))  # activation normalisation starts here, from all examples
        exact = [slogdet(flow, example)[1] for example in x]
        yield equal(_name(case), log_det, exact)


@check(
    33,
    "flow",
    "The inverse undoes the flow",
    formula=r"f^{-1}(f(x)) = x, \quad \log|\det \partial x/\partial y| = -\log|\det \partial y/\partial x|",
    statement="For every class of flow, with random parameters: points come back, and the log-determinants cancel.",
    source="the inverse function theorem",
)
def inverse() -> Iterator[Measurement]:
    for case in CASES:
        flow, x = built(case), examples(case, n=8)
        y, there = flow(Tensor(x))
        back, here = flow.inverse(y)
        yield equal(f"{_name(case)}: points", back, x)
        yield equal(f"{_name(case)}: log-determinants", here, -there.numpy())


@check(
    33,
    "flow",
    "An invertible 1 x 1 convolution",
    formula=r"\log|\det \partial y/\partial x| = H\,W \log|\det W|",
    statement="The matrix acts at each of the H W places, so its determinant counts as often; it starts as a rotation,"
    " whose log-determinant is 0.",
    source="Kingma and Dhariwal 2018, eq. 9",
)
def convolution_determinant() -> Iterator[Measurement]:
    for height, width in ((1, 1), (2, 3), (4, 4)):
        flow = InvertibleConvolution(3, rng=Generator(0)).to("float64")
        x = Tensor(np.random.default_rng(0).normal(size=(2, 3, height, width)))
        weight = flow.weight.numpy()
        yield equal(f"H W = {height * width}: W is a rotation", weight @ weight.T, np.eye(3), tolerance=1e-6)
        shaken(flow, Generator(1))
        y, log_det = flow(x)
        weight = flow.weight.numpy()
        yield equal(f"H W = {height * width}: y = W x", y, np.einsum("ij,njhw->nihw", weight, x.numpy()))
        exact = height * width * np.linalg.slogdet(weight)[1]
        yield equal(f"H W = {height * width}: log-determinant", log_det, [exact, exact])


@check(
    33,
    "flow",
    "Activation normalisation starts from data",
    formula=r"\mathrm{E}\, y_c = 0, \quad \mathrm{Var}\, y_c = 1",
    statement="The first batch leaves with mean 0 and variance 1 in every channel.",
    source="Kingma and Dhariwal 2018, section 3.1",
)
def actnorm_start() -> Iterator[Measurement]:
    rng = np.random.default_rng(0)
    for shape in ((50, 3), (20, 4, 3, 5)):
        channel = (shape[1], *(1,) * (len(shape) - 2))
        x = rng.normal(size=shape) * rng.uniform(0.1, 9.0, channel) + 10 * rng.normal(size=channel)
        y = ActNorm(shape[1], spatial=len(shape) - 2).to("float64")(Tensor(x))[0].numpy()
        axes = (0, *range(2, len(shape)))
        yield equal(f"{shape}: means", y.mean(axes), np.zeros(shape[1]))
        # The deviation is enlarged by 1e-6, which holds a constant channel.
        yield equal(f"{shape}: variances", y.var(axes), (1 + 1e-6 / x.std(axes)) ** -2.0)


@check(
    43,
    "flow",
    "The planar flow is invertible whatever its parameters",
    formula=r"\hat u = u + (m(w^T u) - w^T u)\frac{w}{\|w\|^2},"
    r"\quad w^T\hat u = m(w^T u) = -1 + \log(1+e^{w^T u}) > -1",
    statement="w.u_hat = m(w.u) is above -1 and u moves along w alone, so det dy/dx is positive everywhere. |w| for"
    " |w|^2, or no constraint, makes the plane fold.",
    source="Rezende and Mohamed 2015, appendix A.1",
)
def planar_constraint() -> Iterator[Measurement]:
    for size, by in ((1, 3.0), (2, 1.0), (4, 3.0)):
        flow = shaken(Planar(size, rng=Generator(size)).to("float64"), Generator(0), by)
        flow.u.data = flow.u - 3.0 * flow.w  # w.u far below -1: without the constraint the plane folds
        w, u, u_hat = (value.numpy() for value in (flow.w.detach(), flow.u.detach(), flow.u_hat.detach()))
        yield equal(f"D = {size}: w.u_hat", w @ u_hat, -1 + np.logaddexp(0, w @ u))
        yield equal(f"D = {size}: u moves along w", (u_hat - u) * (w @ w), (w @ (u_hat - u)) * w)
        x = np.random.default_rng(0).normal(size=(20, size))
        yield at_least(f"D = {size}: least sign of det at 20 points", min(slogdet(flow, z)[0] for z in x), 1.0)
