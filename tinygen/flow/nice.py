"""NICE: Dinh, Krueger and Bengio 2014, "Non-linear independent components estimation".

Additive couplings over alternating entries, which keep volume, then one stretch per entry (section 3.3) and a logistic
base (section 5). An image is one vector to it: its couplings' perceptrons see every entry that is kept.
Held by tinygen.checks.flow (33, 36).
"""

from dataclasses import dataclass

from tinygen.flow.affine import Affine
from tinygen.flow.contract import Composed, Flow
from tinygen.flow.coupling import AdditiveCoupling
from tinygen.flow.logit import Logit
from tinygen.flow.masks import alternating, checkerboard
from tinygen.flow.model import FlowModel
from tinygen.flow.options import check_points, check_positive
from tinygen.nets.coupling import coupling_net
from tinygen.random import Generator
from tinygen.recipe import Recipe


@dataclass(frozen=True)
class NICEConfig:
    """NICE (Dinh et al. 2014): additive couplings that keep volume, then a stretch of each entry."""

    couplings: int = 4
    """Coupling layers."""
    hidden: int = 256
    """Width of the couplings' perceptrons."""
    depth: int = 1
    """Their layers of that width on that width."""
    margin: float = 0.05
    """Images: the logit is of margin + (1 - 2 margin) x, x in [0, 1]."""

    def recipe(self, data: str) -> Recipe:
        """Digits and points in under 2 minutes on 2 cores."""
        if data == "digits":
            return Recipe(steps=2000, batch_size=64, lr=1e-3, ema_decay=0.998, warmup=50, sample_every=1000)
        pictures = 36 if data in ("mnist", "fashion_mnist") else 2000
        return Recipe(steps=4000, batch_size=256, lr=1e-3, ema_decay=0.998, sample_every=1000, pictures=pictures)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> FlowModel:
        """The model for images (C, H, W) or points (D,), D at least 2."""
        check_positive(self, "couplings", "hidden", "depth")
        flows: list[Flow] = []
        if len(shape) == 3:
            flows.append(Logit(self.margin))
            masks = [checkerboard(shape, i % 2) for i in range(self.couplings)]
        else:
            check_points(shape)
            masks = [alternating(shape[0], i % 2) for i in range(self.couplings)]
        for mask in masks:
            net = coupling_net(shape, 1, self.hidden, self.depth, shared=False, rng=rng)
            flows.append(AdditiveCoupling(mask, net))
        return FlowModel(Composed(*flows, Affine(shape)), shape, base="logistic")
