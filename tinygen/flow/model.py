"""A flow and a base law as a model: log p(x) = log p(f(x)) + log|det df/dx|, exactly (Dinh et al. 2017, eqs. 2, 3).

Points are modelled as they are, in nats. Images are dequantised first, and their loss is the bound on bits/dim of
`dequantisation`. Held by tinygen.checks.flow: the density integrates to 1, and 8-bit images cost exactly
8 bits/dim under a uniform law (CHECKS 33, 36).
"""

import math
from typing import Any, Literal

import numpy as np

from tinygen import nn
from tinygen.autodiff.tape import no_grad
from tinygen.distributions import Distribution, Logistic, Normal
from tinygen.drawing import Drawing
from tinygen.flow.contract import Flow, per_example
from tinygen.flow.dequantisation import bits_per_dimension, dequantise, from_unit, to_integers
from tinygen.flow.pictures import WALKERS, density_maps, paths_from_base, temperature_rows
from tinygen.nets.inputs import as_input
from tinygen.ops.creation import zeros
from tinygen.random import Generator
from tinygen.tensor import Tensor

Base = Literal["normal", "logistic"]
LAWS: dict[str, type[Normal] | type[Logistic]] = {"normal": Normal, "logistic": Logistic}


class FlowModel(nn.Module):
    """A density by change of variables; `flow.forward` takes data to the base.

    Args:
        flow: maps examples to z; of images, from [0, 1] (see `Logit`).
        shape: of one example: (D,) for points, (C, H, W) for images.
        base: the law of each entry of z, of mean 0 and scale 1.
        levels: grey levels of the images; `prepare` sets it from the data set. Points have none.
    """

    zero: Tensor

    def __init__(self, flow: Flow, shape: tuple[int, ...], base: Base = "normal", levels: int = 256):
        self.flow = flow
        self.shape = shape
        self.base = base
        self.levels = levels if len(shape) == 3 else 0
        self.latent_shape = flow.output_shape(shape)
        self.register_buffer("zero", zeros(()), persistent=False)  # the base's mean: its dtype and device are ours

    def prepare(self, dataset: Any) -> None:
        """Takes over what must be known of the training set: how many levels its images have."""
        self.levels = dataset.levels

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, exact: (N,) for x (N, *shape), points, or images in [0, 1] as `dequantise` gives them."""
        z, log_det = self.flow(x)
        return per_example(self._law().log_prob(z)) + log_det

    def costs(self, x: Any, rng: Generator) -> Tensor:
        """What each example of a data set costs, (N,): nats for points, bits/dim for images, by one draw of noise."""
        if not self.levels:
            return -self.log_prob(as_input(x, self.zero))
        images = as_input(x, self.zero, np.float64)._data
        noisy = dequantise(to_integers(images, self.levels), self.levels, rng, self.zero.dtype)
        return bits_per_dimension(self.log_prob(noisy), math.prod(self.shape), self.levels)

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean of `costs` over batch["x"] (N, *shape), scaled as data sets are, and no further terms."""
        return self.costs(batch["x"], rng).mean(), {}

    def sample(self, n: int, rng: Generator, cond: Any = None) -> Tensor:
        """(n, *shape) samples, scaled as the data is. The model is unconditional: `cond` must be None."""
        if cond is not None:
            raise ValueError("flows here are unconditional: sample(n, rng) takes no condition")
        with no_grad():
            x, _ = self.flow.inverse(self._law().sample(rng, (n, *self.latent_shape)))
        return Tensor(from_unit(x, self.levels)).to(x.device) if self.levels else x

    def drawings(self, dataset: Any, rng: Generator) -> list[Drawing]:
        """Points: the density beside the truth, and the way from the base to the data. Images: temperatures."""
        base = self._law()
        with no_grad():
            if self.levels:
                return [temperature_rows(self.flow, base, self.latent_shape, self.levels, rng)]
            if self.shape != (2,):
                return []
            start = base.sample(rng, (WALKERS, 2))
            return [density_maps(self.log_prob, dataset, start.dtype, start.device), paths_from_base(self.flow, start)]

    def _law(self) -> Distribution:
        return LAWS[self.base](self.zero, self.zero + 1.0)

    def evaluate(self, dataset: Any, rng: Generator) -> dict[str, tuple[float, str]]:
        """Likelihood of all of `dataset`: bits/dim of images; of points nats, beside the entropy where it is known."""
        costs = []
        with no_grad():
            for start in range(0, len(dataset.x), 500):
                costs.append(np.asarray(self.costs(dataset.x[start : start + 500], rng)))
        mean = float(np.mean(np.concatenate(costs), dtype=np.float64))
        if self.levels:
            nats = mean * math.prod(self.shape) * math.log(2.0)
            return {
                "bits per dimension": (mean, f"bits/dim, upper bound by uniform dequantisation, {self.levels} levels"),
                "negative log-likelihood": (nats, "nats per image, the same bound"),
            }
        figures = {"negative log-likelihood": (mean, "nats, exact")}
        if dataset.entropy is not None:
            figures["entropy of the data"] = (dataset.entropy, "nats, the least there can be")
            figures["above the entropy"] = (mean - dataset.entropy, "nats")
        return figures
