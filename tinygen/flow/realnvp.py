"""RealNVP: Dinh, Sohl-Dickstein and Bengio 2017, "Density estimation using Real NVP".

Affine couplings with alternating masks; images at several scales, each with three couplings over a checkerboard, a
squeeze, three over halves of the channels, after which half of the entries leave, and four over a checkerboard at the
last (section 3.6). Where the paper normalises batches, an activation normalisation stands before each coupling: its
Jacobian needs no batch. Recipe: `RealNVPConfig.recipe`. Held by tinygen.checks.flow (33, 36).
"""

from dataclasses import dataclass

import numpy as np

from tinygen.flow.actnorm import ActNorm
from tinygen.flow.contract import Composed, Flow
from tinygen.flow.coupling import AffineCoupling
from tinygen.flow.logit import Logit
from tinygen.flow.masks import alternating, checkerboard, half_channels
from tinygen.flow.model import FlowModel
from tinygen.flow.multiscale import MultiScale
from tinygen.flow.options import check_points, check_positive, coupling_recipe
from tinygen.flow.squeeze import Squeeze
from tinygen.nets.coupling import coupling_net
from tinygen.random import Generator
from tinygen.recipe import Recipe


@dataclass(frozen=True)
class RealNVPConfig:
    """RealNVP (Dinh et al. 2017): affine couplings, an exact likelihood, and samples in one pass."""

    couplings: int = 12
    """Couplings for points; images have ten at two scales and six more at each further one."""
    scales: int = 2
    """Scales for images; sides that halve less often, or to under 4 pixels, get fewer."""
    hidden: int = 64
    """Width of the couplings' networks."""
    depth: int = 1
    """Their residual blocks (for points, layers of that width on that width)."""
    margin: float = 0.05
    """Images: the logit is of margin + (1 - 2 margin) x, x in [0, 1]."""

    def recipe(self, data: str) -> Recipe:
        """Digits and points in under 2 minutes on 2 cores; larger images take longer."""
        return coupling_recipe(data, digit_steps=1200)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> FlowModel:
        """The model for images (C, H, W) or points (D,), D at least 2."""
        check_positive(self, "couplings", "scales", "hidden", "depth")
        if len(shape) != 3:
            check_points(shape)
            masks = [alternating(shape[0], i % 2) for i in range(self.couplings)]
            return FlowModel(Composed(*self._couplings(shape, masks, rng)), shape)
        flows: list[Flow] = []
        rest: tuple[int, ...] = shape
        count = count_scales(shape, self.scales)
        for scale in range(count):
            last = scale == count - 1
            steps = self._couplings(rest, [checkerboard(rest, i % 2) for i in range(4 if last else 3)], rng)
            if not last:
                squeezed = Squeeze().output_shape(rest)
                channels = self._couplings(squeezed, [half_channels(squeezed, i % 2) for i in range(3)], rng)
                steps = [*steps, Squeeze(), *channels]
                rest = (squeezed[0] // 2, *squeezed[1:])
            flows.append(Composed(*steps))
        return FlowModel(Composed(Logit(self.margin), MultiScale(flows, shape)), shape)

    def _couplings(self, shape: tuple[int, ...], masks: list[np.ndarray], rng: Generator) -> list[Flow]:
        steps: list[Flow] = []
        for mask in masks:
            steps.append(ActNorm(shape[0], spatial=len(shape) - 1))
            steps.append(AffineCoupling(mask, coupling_net(shape, 2, self.hidden, self.depth, rng=rng)))
        return steps


def count_scales(shape: tuple[int, ...], wanted: int) -> int:
    """How many scales images of `shape` allow: each but the last halves the sides, to no less than 4 pixels."""
    count = 1
    while count < wanted and all(side % 2**count == 0 and side // 2**count >= 4 for side in shape[1:]):
        count += 1
    return count
