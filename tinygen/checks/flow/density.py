"""Densities by change of variables integrate to 1, and samples fall where they say (line 33)."""

from collections.abc import Iterator

import numpy as np

import tinygen as tg
from tinygen.checks.flow.cases import Swirl, shaken
from tinygen.checks.measurement import Measurement, equal, estimate
from tinygen.checks.registry import check
from tinygen.drawing import Maps
from tinygen.flow.continuous import ContinuousFlow
from tinygen.flow.contract import Composed
from tinygen.flow.glow import GlowConfig
from tinygen.flow.model import FlowModel
from tinygen.flow.nice import NICEConfig
from tinygen.flow.planar import Planar
from tinygen.flow.realnvp import RealNVPConfig
from tinygen.random import Generator

LIMIT, SIDE = 16.0, 201  # of the square that is summed over, and points along a side


def moved(model: FlowModel, by: float = 0.2) -> FlowModel:
    """The model in float64 with its parameters moved from where they start."""
    model.to("float64")
    model.flow(Generator(2).normal((64, 2), "float64"))  # activation normalisation starts from data
    return shaken(model, Generator(1), by)


def models() -> dict[str, FlowModel]:
    """Models of points in the plane with random parameters."""
    rng = Generator(0)
    configs: dict[str, RealNVPConfig | NICEConfig | GlowConfig] = {
        "RealNVP": RealNVPConfig(couplings=4, hidden=8, depth=1),
        "NICE": NICEConfig(hidden=8),
        "Glow": GlowConfig(steps_per_scale=2, hidden=8),
    }
    found = {name: config.build((2,), None, rng) for name, config in configs.items()}
    found["planar"] = FlowModel(Composed(*(Planar(2, rng=rng) for _ in range(3))), (2,))
    found["continuous"] = FlowModel(ContinuousFlow(Swirl(2, rng), 0.5, steps=3), (2,))
    return {name: moved(model) for name, model in found.items()}


def density(model: FlowModel, points: np.ndarray) -> np.ndarray:
    """p(x) at points (N, 2)."""
    with tg.no_grad():
        return np.exp(model.log_prob(tg.tensor(points)).numpy())


def picture_of_density() -> Maps:
    """What the formula says beside where the samples fall."""
    model = moved(RealNVPConfig(couplings=6, hidden=16).build((2,), None, Generator(0)), 0.25)
    limit, side = 4.0, 80
    edges = np.linspace(-limit, limit, side + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    places = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
    x = model.sample(200_000, Generator(5)).numpy()
    counts, _, _ = np.histogram2d(x[:, 1], x[:, 0], bins=[edges, edges])
    maps = {
        "p(x), by change of variables": density(model, places).reshape(side, side),
        "200,000 samples, counted": counts / (len(x) * (edges[1] - edges[0]) ** 2),
    }
    return Maps("The density of a RealNVP with random parameters, and its samples", maps, (-limit, limit))


@check(
    33,
    "flow",
    "The density integrates to 1",
    formula=r"\int p(f(x))\,|\det \partial f/\partial x|\, dx = 1",
    statement="Every kind of model in the plane, with random parameters: the integral over a square that holds all of"
    " the mass; and samples have the entropy that the integral of -p log p gives.",
    source="the change of variables formula; Dinh et al. 2017, eq. 2",
    picture=picture_of_density,
)
def density_integrates_to_one() -> Iterator[Measurement]:
    line = np.linspace(-LIMIT, LIMIT, SIDE)
    points, cell = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2), (line[1] - line[0]) ** 2
    for name, model in models().items():
        near = np.abs(points).max(1) <= (6 if name == "continuous" else LIMIT)  # its points cost more
        p = density(model, points[near])
        yield equal(name, p.sum() * cell, 1.0, tolerance=1e-5)
        if name == "RealNVP":
            entropy = -float((p * np.log(np.maximum(p, 1e-300))).sum() * cell)
            with tg.no_grad():
                draws = -model.log_prob(model.sample(4000, Generator(5))).numpy()
            yield estimate("RealNVP: -log p of samples has the mean of the entropy", draws, entropy)
