"""The continuous flow on a linear field, whose flow is a matrix exponential (line 35)."""

from collections.abc import Iterator

import numpy as np

import tinygen as tg
from tinygen.checks.measurement import Measurement, at_most, equal
from tinygen.checks.registry import check
from tinygen.drawing import Paths
from tinygen.flow.continuous import ContinuousFlow
from tinygen.tensor import Tensor

FIELDS = {
    "spiral": np.array([[-0.3, -1.0], [1.0, -0.3]]),
    "shear": np.array([[0.2, 0.9], [0.0, 0.2]]),
    "random, D = 4": 0.5 * np.random.default_rng(0).normal(size=(4, 4)),
}


def expm(a: np.ndarray) -> np.ndarray:
    """The matrix exponential, by its series for a / 2^k and k squarings."""
    term = total = np.eye(len(a))
    for n in range(1, 19):
        term = term @ a / (64 * n)
        total = total + term
    return np.linalg.matrix_power(total, 64)


def linear(a: np.ndarray, time: float, steps: int) -> ContinuousFlow:
    """The flow of x' = A x."""
    matrix = Tensor(a)
    return ContinuousFlow(lambda x, t: x @ matrix.T, time, steps)


def picture_of_spiral() -> Paths:
    """Points on a circle carried inwards."""
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    start = Tensor(np.stack([np.cos(angle), np.sin(angle)], 1))
    points = [linear(FIELDS["spiral"], time, 16)(start)[0].numpy() for time in np.linspace(0, 3, 40)]
    return Paths("x' = A x, a spiral: areas shrink as exp(t tr A)", np.stack(points))


@check(
    35,
    "flow",
    "A linear field's flow is a matrix exponential",
    formula=r"x' = A x \;\Rightarrow\; x(T) = e^{AT} x(0), \quad \log|\det| = T\, \mathrm{tr} A",
    statement="Points, their way back and the log-determinant; a field that depends on the time adds its integral. The"
    " error falls with the fourth power of the step.",
    source="Chen et al. 2018, theorem 1; Liouville's formula",
    picture=picture_of_spiral,
)
def linear_field() -> Iterator[Measurement]:
    time = 0.8
    for name, a in FIELDS.items():
        x = np.random.default_rng(1).normal(size=(5, len(a)))
        flow = linear(a, time, 100)
        y, log_det = flow(Tensor(x))
        back, other = flow.inverse(y)
        yield equal(f"{name}: points", y, x @ expm(a * time).T)
        yield equal(f"{name}: points, back", back, x)
        yield equal(f"{name}: log-determinant", log_det, np.full(5, time * np.trace(a)))
        yield equal(f"{name}: log-determinant, back", other, np.full(5, -time * np.trace(a)))
        errors = [np.abs(linear(a, time, n)(Tensor(x))[0].numpy() - y.numpy()).max() for n in (4, 8)]
        yield at_most(f"{name}: orders by which the error falls, less 4", abs(np.log2(errors[0] / errors[1]) - 4), 0.5)
    driven = ContinuousFlow(lambda x, t: x * (3 * t**2).reshape(-1, 1), time, 100)
    y, log_det = driven(tg.tensor([[1.0, -2.0]], dtype="float64"))
    yield equal("x' = 3 t^2 x: points", y, np.exp(time**3) * np.array([[1.0, -2.0]]))
    yield equal("x' = 3 t^2 x: log-determinant", log_det, [2 * time**3])
