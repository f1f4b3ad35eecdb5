"""Glow: Kingma and Dhariwal 2018, "Glow: generative flow with invertible 1x1 convolutions".

A step is an activation normalisation, an invertible 1 x 1 convolution and an affine coupling over halves of the
channels (table 1, figure 2). Images are squeezed first at every scale, and half of the channels leave after it.
Points have no places: their matrix mixes the coordinates. Held by tinygen.checks.flow (33, 36).
"""

from dataclasses import dataclass

from tinygen.flow.actnorm import ActNorm
from tinygen.flow.contract import Composed, Flow
from tinygen.flow.coupling import AffineCoupling
from tinygen.flow.invertible_convolution import InvertibleConvolution
from tinygen.flow.logit import Logit
from tinygen.flow.masks import alternating, half_channels
from tinygen.flow.model import FlowModel
from tinygen.flow.multiscale import MultiScale
from tinygen.flow.options import check_points, check_positive, coupling_recipe
from tinygen.flow.squeeze import Squeeze
from tinygen.nets.coupling import coupling_net
from tinygen.random import Generator
from tinygen.recipe import Recipe


@dataclass(frozen=True)
class GlowConfig:
    """Glow (Kingma and Dhariwal 2018): actnorm, invertible 1 x 1 convolution and affine coupling, over scales."""

    steps_per_scale: int = 8
    """K, the steps at each scale (all of them, for points)."""
    scales: int = 2
    """L, the scales for images; sides that can be halved less often get fewer."""
    hidden: int = 64
    """Width of the couplings' networks."""
    depth: int = 1
    """Their residual blocks (for points, layers of that width on that width)."""
    margin: float = 0.05
    """Images: the logit is of margin + (1 - 2 margin) x, x in [0, 1]."""

    def recipe(self, data: str) -> Recipe:
        """Digits and points in under 2 minutes on 2 cores; larger images take longer."""
        return coupling_recipe(data, digit_steps=800)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> FlowModel:
        """The model for images (C, H, W) of even sides, or points (D,), D at least 2."""
        check_positive(self, "steps_per_scale", "scales", "hidden", "depth")
        if len(shape) != 3:
            check_points(shape)
            return FlowModel(Composed(*self._steps(shape, rng)), shape)
        scales: list[Flow] = []
        rest: tuple[int, ...] = shape
        while len(scales) < self.scales and not (scales and (rest[1] % 2 or rest[2] % 2)):
            rest = Squeeze().output_shape(rest)
            scales.append(Composed(Squeeze(), *self._steps(rest, rng)))
            rest = (rest[0] // 2, *rest[1:])
        return FlowModel(Composed(Logit(self.margin), MultiScale(scales, shape)), shape)

    def _steps(self, shape: tuple[int, ...], rng: Generator) -> list[Flow]:
        steps: list[Flow] = []
        for i in range(self.steps_per_scale):
            mask = half_channels(shape, i % 2) if len(shape) == 3 else alternating(shape[0], i % 2)
            net = coupling_net(shape, 2, self.hidden, self.depth, rng=rng)
            steps.append(ActNorm(shape[0], spatial=len(shape) - 1))
            steps.append(InvertibleConvolution(shape[0], rng=rng))
            steps.append(AffineCoupling(mask, net))
        return steps
