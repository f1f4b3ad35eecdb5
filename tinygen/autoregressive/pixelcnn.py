"""The gated PixelCNN as a model of images: an exact likelihood of black and white pixels, or of grey levels.

van den Oord et al. 2016, "Conditional image generation with PixelCNN decoders", arXiv:1606.05328; the law itself is in
`gated.py`. Published beside it, in nats an image of binarised MNIST: PixelCNN 81.3 (arXiv:1601.06759, table 4).

Recipe: Adam 1e-3, averaged weights. Held by tests/autoregressive/ and tinygen/checks/autoregressive.py (CHECKS 37).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen import nn, ops
from tinygen.autodiff.tape import no_grad
from tinygen.autoregressive.ancestral import ancestral
from tinygen.autoregressive.gated import GatedPixelCNN
from tinygen.distributions.binarise import Binarise, binarised, check_binarise
from tinygen.drawing import Drawing, ImageRows
from tinygen.nets.inputs import as_input
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor

_COMPLETED = 12  # examples of which the report completes the upper half


class PixelCNN(nn.Module):
    """A law of grids as a model of images (1, H, W) in [-1, 1].

    Args:
        law: of the grid of pixels.
        size: (H, W).
        binarise: how grey pixels become black and white, where the law has two levels; else they are rounded to the
            nearest of its levels.

    Raises:
        ValueError: another word for `binarise`.
    """

    def __init__(self, law: GatedPixelCNN, size: tuple[int, int], binarise: Binarise = "dynamic"):
        check_binarise(binarise)
        self.law, self.size, self.binarise = law, size, binarise

    @property
    def classes(self) -> int:
        """Of how many classes `sample` can be told one; 0 for none."""
        return self.law.classes

    def observed(self, x: Any, rng: Generator) -> Tensor:
        """What the law is of: integers (N, H, W) from images x (N, 1, H, W)."""
        images = as_input(x, self.law.outward.weight)[:, 0]
        if self.law.levels == 2:
            return ops.astype(binarised(images, self.binarise, rng) > 0.0, np.int64)
        steps = self.law.levels - 1
        return ops.astype(ops.clip(ops.round((images + 1.0) * (0.5 * steps)), 0, steps), np.int64)

    def images(self, k: np.ndarray) -> np.ndarray:
        """Images (N, 1, H, W) in [-1, 1] from integers k (N, H, W)."""
        return (k[:, None] * (2.0 / (self.law.levels - 1)) - 1.0).astype(np.float32)

    def log_prob(self, batch: Any, rng: Generator) -> Tensor:
        """log p of a batch's images, given their classes if the law is: exact, in nats, (N,)."""
        k = self.observed(batch["x"], rng)
        return self.law.log_prob(k, self._given(batch))

    def _given(self, batch: Any) -> Tensor | None:
        return self.law.condition(len(batch["x"]), batch["y"]) if self.law.classes else None

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Any]]:
        """-log p in nats an image, the mean over the batch; and in bits a pixel."""
        nats = -self.log_prob(batch, rng).mean()
        return nats, {"bits_per_dim": nats.detach() * self._bits}

    @property
    def _bits(self) -> float:
        """Bits a pixel that a nat an image is."""
        return 1.0 / (math.prod(self.size) * math.log(2.0))

    def sample(self, n: int, rng: Generator, cond: Any = None) -> Tensor:
        """(n, 1, H, W) images drawn pixel after pixel.

        Args:
            cond: a class, or n of them, of a conditional model; None gives every class in turn.
        """
        return Tensor(self.images(ancestral(self.law, n, self.size, rng, self.law.condition(n, cond))))

    def evaluate(self, dataset: Any, rng: Generator) -> dict[str, tuple[float, str]]:
        """The likelihood, the mean over all of `dataset`."""
        with no_grad():
            parts = [
                np.asarray(self.log_prob(dataset.batch(slice(start, start + 64)), rng))
                for start in range(0, len(dataset), 64)
            ]
        nats = -float(np.concatenate(parts).mean(dtype=np.float64))
        what = f"binarised, {self.binarise}" if self.law.levels == 2 else f"{self.law.levels} grey levels"
        return {
            "negative log-likelihood": (nats, f"nats per image, exact; {what}"),
            "bits per dimension": (nats * self._bits, "bits/dim"),
        }

    def drawings(self, dataset: Any, rng: Generator) -> list[Drawing]:
        """Held-out examples whose lower half is drawn anew."""
        batch = dataset.batch(slice(_COMPLETED))
        k = np.asarray(self.observed(batch["x"], rng))
        cond = self._given(batch)
        above = k[:, : self.size[0] // 2]
        completed = [ancestral(self.law, len(k), self.size, rng, cond, above) for _ in range(3)]
        rows = np.stack([self.images(grid) for grid in (k, *completed)])
        names = ("original", *["completed"] * len(completed))
        return [ImageRows("Completions: the upper half is the example's, the lower half is drawn", rows, names)]


@dataclass(frozen=True)
class PixelCNNConfig:
    """Gated PixelCNN (van den Oord et al. 2016): pixel after pixel, with an exact likelihood."""

    levels: int = 2
    """Values of a pixel: 2 for black and white; more for grey levels, to the nearest of which pixels are rounded."""
    binarise: Binarise = "dynamic"
    """How 2 levels come from grey ones: drawn anew each time, drawn once an image, or by the threshold 1/2."""
    conditional: bool = False
    """Whether the law is given the class."""
    width: int = 32
    """Channels of each stack."""
    layers: int = 10
    """Gated layers."""
    dilations: tuple[int, ...] = (1, 2, 4)
    """How many rows and columns further than the last each layer sees, in turn."""
    first: int = 7
    """Size of the first layer's filter."""

    def recipe(self, data: str) -> Recipe:
        """Digits in a minute on 2 cores; binarised MNIST in an hour on one."""
        if data == "digits":
            return Recipe(steps=1000, batch_size=32, lr=1e-3, ema_decay=0.99, warmup=50, sample_every=250)
        return Recipe(steps=12000, batch_size=32, lr=1e-3, ema_decay=0.999, warmup=100, sample_every=2000)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> PixelCNN:
        """The model for images (1, H, W)."""
        if len(shape) != 3 or shape[0] != 1:
            raise ValueError(f"pixelcnn is for images of one channel (1, H, W), and the data has shape {shape}")
        if self.conditional and not classes:
            raise ValueError("--conditional is for data with classes, and this data set has none")
        given = classes or 0 if self.conditional else 0
        law = GatedPixelCNN(
            self.levels, self.width, self.layers, self.first, dilations=self.dilations, classes=given, rng=rng
        )
        return PixelCNN(law, (shape[1], shape[2]), self.binarise)
