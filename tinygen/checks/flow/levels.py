"""Densities for grey levels: bits per dimension and the dequantisation bound (line 36)."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen.checks.measurement import Measurement, at_least, at_most, equal, estimate
from tinygen.checks.registry import check
from tinygen.flow.affine import Affine
from tinygen.flow.dequantisation import bits_per_dimension, dequantise
from tinygen.flow.logit import Logit
from tinygen.flow.model import FlowModel
from tinygen.random import Generator
from tinygen.tensor import Tensor


@check(
    36,
    "flow",
    "A uniform model costs 8 bits per dimension",
    formula=r"p = 1 \;\mathrm{on}\; [0,1]^D \;\Rightarrow\; -\frac{1}{D}\log_2 P(k) = \log_2 256 = 8",
    statement="The logit of a uniform variable is logistic, so that flow on a logistic base is uniform: it pays for"
    " every image exactly the bits in which it is stored.",
    source="Theis et al. 2016, section 3.1",
)
def uniform_model() -> Iterator[Measurement]:
    model = FlowModel(Logit(0.0), (1, 3, 3), base="logistic", levels=256).to("float64")
    k = np.random.default_rng(0).integers(0, 256, (20, 1, 3, 3))
    images = (k / 127.5 - 1).astype(np.float32)  # as data sets give them
    yield equal("each of 20 random images", model.costs(images, Generator(1)), np.full(20, 8.0))


@check(
    36,
    "flow",
    "The dequantisation bound is tight for piecewise-constant densities",
    formula=r"-\log_2 P(k) \leq \mathrm{E}_u\left[-\log_2 p\left(\frac{k+u}{L}\right)\right] + \log_2 L",
    statement="Where the density is constant in each cell the bound is the cost itself, for every draw of the noise;"
    " elsewhere it is above it, by the gap of Jensen's inequality.",
    source="Theis et al. 2016, section 3.1",
)
def dequantisation_bound() -> Iterator[Measurement]:
    probability, k = np.array([0.1, 0.2, 0.3, 0.4]), np.arange(4).reshape(-1, 1)
    for seed in range(3):
        x = dequantise(k, 4, Generator(seed), np.float64).numpy()
        density = 4 * probability[np.floor(4 * x).astype(int)]
        bits = bits_per_dimension(Tensor(np.log(density).sum(1)), 1, 4)
        yield equal(f"constant in 4 cells, draw {seed}", bits, -np.log2(probability))
    u = 8 * dequantise(np.full(20_000, 3), 8, Generator(0), np.float64).numpy() - 3
    yield at_least("the noise fills its cell: its least", float(u.min()), 0.0)
    yield at_most("its greatest", float(u.max()), 1.0)
    yield estimate("its mean", u, 1 / 2)
    yield estimate("its mean square", u**2, 1 / 3)

    flow = Affine((1,)).to("float64")
    flow.shift._assign(-2.0)
    flow.log_scale._assign(math.log(5.0))
    model = FlowModel(flow, (1,), base="logistic").to("float64")  # a logistic law at 0.4 of scale 0.2
    nodes, weights = np.polynomial.legendre.leggauss(30)
    cdf = lambda x: 1 / (1 + np.exp(-(5 * x - 2)))
    for cell in range(4):
        exact = -math.log2(cdf((cell + 1) / 4) - cdf(cell / 4))
        inside = Tensor((cell + (nodes[:, None] + 1) / 2) / 4)
        bound = float(weights / 2 @ bits_per_dimension(model.log_prob(inside), 1, 4).numpy())
        spread = inside.numpy().ravel()
        p = 5 * cdf(spread) * (1 - cdf(spread))
        gap = math.log2(weights / 2 @ p) - weights / 2 @ np.log2(p)
        yield equal(f"logistic law, cell {cell}: the bound less the gap of Jensen", bound - gap, exact)
        yield at_least(f"logistic law, cell {cell}: the bound", bound, exact + 1e-4)
