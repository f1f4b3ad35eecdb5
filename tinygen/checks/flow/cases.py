"""One case at least for every class of flow: how to make it, and the shape of its examples."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

import tinygen.flow
from tinygen import nn
from tinygen.flow.actnorm import ActNorm
from tinygen.flow.affine import Affine
from tinygen.flow.continuous import ContinuousFlow
from tinygen.flow.contract import Composed, Flow, Inverse
from tinygen.flow.coupling import AdditiveCoupling, AffineCoupling
from tinygen.flow.invertible_convolution import InvertibleConvolution
from tinygen.flow.logit import Logit
from tinygen.flow.masks import alternating, checkerboard, half_channels
from tinygen.flow.multiscale import MultiScale
from tinygen.flow.permutation import Permutation
from tinygen.flow.planar import Planar
from tinygen.flow.squeeze import Squeeze
from tinygen.nets.coupling import coupling_net
from tinygen.ops.elementwise import tanh
from tinygen.random import Generator
from tinygen.tensor import Tensor

M = TypeVar("M", bound=nn.Module)


class Case(NamedTuple):
    """A flow of class `kind`, made by `make(rng)`, on examples of `shape` with entries in (low, high)."""

    kind: type[Flow]
    shape: tuple[int, ...]
    make: Callable[[Generator], Flow]
    low: float = -2.0
    high: float = 2.0


def affine_coupling(shape: tuple[int, ...], mask: npt.NDArray, rng: Generator) -> AffineCoupling:
    """A coupling with a small network."""
    return AffineCoupling(mask, coupling_net(shape, 2, hidden=6, depth=1, rng=rng))


def scales(rng: Generator) -> MultiScale:
    """Two scales over images (2, 4, 4): 8 channels of 2 x 2 of which 4 leave, then the rest."""
    first = Composed(affine_coupling((2, 4, 4), checkerboard((2, 4, 4)), rng), Squeeze(), ActNorm(8, spatial=2))
    second = Composed(InvertibleConvolution(4, rng=rng), affine_coupling((4, 2, 2), half_channels((4, 2, 2), 1), rng))
    return MultiScale([first, second], (2, 4, 4))


class Swirl(nn.Module):
    """The field tanh(W x + b t), which turns as time goes on."""

    def __init__(self, size: int, rng: Generator):
        self.turn = nn.Linear(size, size, bias=False, rng=rng)
        self.drift = nn.Parameter(np.ones(size, np.float32))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return tanh(self.turn(x) + self.drift * t.reshape(-1, 1))


CASES = [
    Case(Affine, (3,), lambda rng: Affine((3,))),
    Case(Affine, (2, 2, 3), lambda rng: Affine((2, 1, 1))),
    Case(ActNorm, (3,), lambda rng: ActNorm(3)),
    Case(ActNorm, (2, 2, 3), lambda rng: ActNorm(2, spatial=2)),
    Case(Permutation, (4,), lambda rng: Permutation([2, 0, 3, 1])),
    Case(Permutation, (3, 2, 2), lambda rng: Permutation([1, 2, 0])),
    Case(Squeeze, (2, 2, 4), lambda rng: Squeeze()),
    Case(Logit, (3,), lambda rng: Logit(0.05), 0.0, 1.0),
    Case(Logit, (1, 2, 2), lambda rng: Logit(0.0), 0.01, 0.99),
    Case(Planar, (3,), lambda rng: Planar(3, rng=rng)),
    Case(ContinuousFlow, (2,), lambda rng: ContinuousFlow(Swirl(2, rng), 0.25)),
    Case(AdditiveCoupling, (4,), lambda rng: AdditiveCoupling(alternating(4), coupling_net((4,), 1, 6, 1, rng=rng))),
    Case(AffineCoupling, (5,), lambda rng: affine_coupling((5,), alternating(5, 1), rng)),
    Case(AffineCoupling, (2, 2, 3), lambda rng: affine_coupling((2, 2, 3), checkerboard((2, 2, 3), 1), rng)),
    Case(AffineCoupling, (4, 2, 2), lambda rng: affine_coupling((4, 2, 2), half_channels((4, 2, 2)), rng)),
    Case(InvertibleConvolution, (4,), lambda rng: InvertibleConvolution(4, rng=rng)),
    Case(InvertibleConvolution, (3, 2, 3), lambda rng: InvertibleConvolution(3, rng=rng)),
    Case(Composed, (4,), lambda rng: Composed(Planar(4, rng=rng), affine_coupling((4,), alternating(4), rng))),
    Case(Inverse, (4,), lambda rng: Inverse(Composed(affine_coupling((4,), alternating(4), rng), Planar(4, rng=rng)))),
    Case(MultiScale, (2, 4, 4), scales),
]


def every_flow() -> set[type[Flow]]:
    """The classes of flow that exist, those without an `inverse` of their own left out."""
    for module in pkgutil.iter_modules(tinygen.flow.__path__):
        importlib.import_module(f"tinygen.flow.{module.name}")
    found, new = set(), {Flow}
    while new:
        new = {child for kind in new for child in kind.__subclasses__() if child.__module__.startswith("tinygen.")}
        found |= new
    return {kind for kind in found if hasattr(kind, "inverse")}


def built(case: Case, seed: int = 0) -> Flow:
    """The flow in float64 with every parameter moved away from where it starts, so that no term is 0."""
    rng = Generator(seed)
    flow = case.make(rng).to("float64")
    return shaken(flow, rng)


def shaken(module: M, rng: Generator, by: float = 0.3) -> M:
    """Normal noise added to every parameter."""
    for parameter in module.parameters():
        parameter._assign(np.asarray(parameter) + by * np.asarray(rng.normal(parameter.shape, parameter.dtype)))
    return module


def examples(case: Case, n: int = 3, seed: int = 1) -> npt.NDArray[np.float64]:
    """(n, *shape) float64, uniform in the domain."""
    return np.random.default_rng(seed).uniform(case.low, case.high, (n, *case.shape))
