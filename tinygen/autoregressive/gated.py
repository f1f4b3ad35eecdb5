"""The gated PixelCNN: an exact law of grids of categories, with no blind spot.

van den Oord et al. 2016, "Conditional image generation with PixelCNN decoders", arXiv:1606.05328. Two stacks: the
vertical one sees all rows above, the horizontal one what is left of it in its row and, through a link, the vertical one
(figure 2). Each layer ends in the gate tanh(a) sigmoid(b), where a class adds to a and b (eq. 4). Filters are cropped
rather than masked: padding above and to the left does what masks A and B do, at half the work. Filters may be dilated
(as in van den Oord et al. 2016, "WaveNet") where the paper has more layers to see as far. Held by
tinygen/checks/autoregressive.py (CHECKS 37).
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygen import nn, ops
from tinygen.nets.classes import class_rows
from tinygen.nets.inputs import as_input
from tinygen.nn import functional as F
from tinygen.ops.gate import gate
from tinygen.random import Generator
from tinygen.tensor import Tensor, asarray


class GatedLayer(nn.Module):
    """One layer of both stacks: (vertical, horizontal), each (N, inward, H, W), to the same of `width` channels.

    Args:
        size: of the full filter, odd; its lower half is cropped.
        dilation: how far apart the filter's entries are.
        first: whether the layer reads the grid itself, so that it must not see the position it predicts (mask A). The
            others see it (mask B) and add their input to their output in the horizontal stack.
        classes: entries of the one-hot condition; 0 for none.
        dropout: chance that an entry of the horizontal stack is dropped behind the gate, in training.
    """

    def __init__(
        self,
        inward: int,
        width: int,
        size: int,
        first: bool,
        dilation: int = 1,
        classes: int = 0,
        dropout: float = 0.0,
        *,
        rng: Generator,
    ):
        self.reach = dilation * (size // 2)
        self.window = self.reach + (not first)  # rows, or columns, that one row or column of the output comes from
        self.first = first
        taps = size // 2 + (not first)
        self.down = nn.Conv2d(inward, 2 * width, (taps, size), dilation=dilation, rng=rng)
        self.across = nn.Conv2d(inward, 2 * width, (1, taps), dilation=dilation, rng=rng)
        self.link = nn.Conv2d(2 * width, 2 * width, 1, rng=rng)
        self.outward = nn.Conv2d(width, width, 1, rng=rng)
        self.drop = nn.Dropout(dropout, rng=rng) if dropout else nn.Identity()
        self.cond = nn.Linear(classes, 4 * width, bias=False, rng=rng) if classes else None

    def biases(self, cond: Tensor | None) -> tuple[Tensor | float, Tensor | float]:
        """What a condition (N, classes) adds before the vertical and the horizontal gate, each (N, 2 width, 1, 1)."""
        if self.cond is None or cond is None:
            return 0.0, 0.0
        both = self.cond(cond).reshape(len(cond), 2, -1, 1, 1)
        return both[:, 0], both[:, 1]

    def vertical(self, above: Tensor, bias: Tensor | float) -> tuple[Tensor, Tensor]:
        """From rows with `reach` of border above and beside them: the stack, and what the link adds."""
        a = self.down(above)
        return gate(_plus(a, bias)), self.link(a)

    def horizontal(self, left: Tensor, linked: Tensor, bias: Tensor | float) -> Tensor:
        """From columns with `reach` of border left of them, and what the link adds: the stack."""
        h = self.outward(self.drop(gate(_plus(self.across(left) + linked, bias))))
        return h if self.first else h + left[:, :, :, self.reach :]

    def forward(self, v: Tensor, h: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        k, last = self.reach, -1 if self.first else None  # the first layer never sees the last row, or column
        biases = self.biases(cond)
        v, linked = self.vertical(ops.pad(v[:, :, :last], ((0, 0), (0, 0), (k, 0), (k, k))), biases[0])
        h = self.horizontal(ops.pad(h[:, :, :, :last], ((0, 0), (0, 0), (0, 0), (k, 0))), linked, biases[1])
        return v, h


def _plus(a: Tensor, bias: Tensor | float) -> Tensor:
    return a + bias if isinstance(bias, Tensor) else a


class GatedPixelCNN(nn.Module):
    """A law of grids (H, W) with entries 0 ... levels - 1, row after row.

    Args:
        levels: categories of an entry.
        width: channels of each stack.
        layers: how many, the first one included.
        first: size of the first layer's filter, odd.
        size: of the others', odd, at least 3.
        dilations: of the others, in turn: 1, 2, 4 reach seven rows and columns further in three layers.
        classes: how many classes the law is given; 0 for none.
        dropout: of each layer, in training.

    Raises:
        ValueError: sizes out of range.
    """

    def __init__(
        self,
        levels: int,
        width: int = 32,
        layers: int = 8,
        first: int = 7,
        size: int = 3,
        dilations: Sequence[int] = (1,),
        classes: int = 0,
        dropout: float = 0.0,
        *,
        rng: Generator,
    ):
        for name, value, least in (("levels", levels, 2), ("width", width, 1), ("layers", layers, 1)):
            if value < least:
                raise ValueError(f"{name} is at least {least}, not {value}")
        for name, value in (("first", first), ("size", size)):
            if value < 3 or value % 2 == 0:
                raise ValueError(f"{name} is the size of a filter with a centre: 3, 5, 7 ..., not {value}")
        if not dilations or min(dilations) < 1:
            raise ValueError(f"dilations are numbers of at least 1, not {tuple(dilations)}")
        self.levels, self.classes = levels, classes
        self.layers = nn.ModuleList([GatedLayer(levels, width, first, True, 1, classes, dropout, rng=rng)])
        for dilation in itertools.islice(itertools.cycle(dilations), layers - 1):
            self.layers.append(GatedLayer(width, width, size, False, dilation, classes, dropout, rng=rng))
        self.head = nn.Conv2d(width, width, 1, rng=rng)
        self.outward = nn.Conv2d(width, levels, 1, rng=rng)

    def condition(self, n: int, given: Any = None) -> Tensor | None:
        """What the law is given, one-hot (n, classes): a class, n of them, or every class in turn for None.

        Raises:
            ValueError: no such class, or a class for a law that takes none.
        """
        if self.classes:
            return class_rows(n, given, self.classes, self.outward.weight)
        if given is not None:
            raise ValueError("this pixelcnn is unconditional: there is no class to give; --conditional trains one")
        return None

    def planes(self, x: Any) -> Tensor:
        """One-hot planes (N, levels, H, W) of a grid of integers x (N, H, W); a border of zeros is no category."""
        weight = self.outward.weight
        return F.one_hot(as_input(x, weight, asarray(x).dtype), self.levels, weight.dtype).permute(0, 3, 1, 2)

    def logits(self, planes: Tensor, cond: Tensor | None = None) -> Tensor:
        """Logits (N, levels, H, W) of each entry given those before it, for `planes` (N, levels, H, W).

        Args:
            cond: one-hot (N, classes), or None.
        """
        v = h = planes
        for layer in self.layers:
            v, h = layer(v, h, cond)
        return self.read(h)

    def read(self, h: Tensor) -> Tensor:
        """Logits from the horizontal stack (N, width, ...), position by position."""
        return self.outward(ops.relu(self.head(ops.relu(h))))

    def log_prob(self, x: Any, cond: Tensor | None = None) -> Tensor:
        """log p(x | cond) in nats, exact: (N,) for integers x (N, H, W) below `levels`.

        Raises:
            TypeError: entries that are no integers.
            IndexError: entries out of range.
            ValueError: x has another number of axes.
        """
        grids = asarray(x)
        if grids.ndim != 3:
            raise ValueError(f"a batch of grids is (N, H, W), not of shape {grids.shape}")
        logits = self.logits(self.planes(grids), cond)
        target = as_input(grids, self.outward.weight, np.int64)
        return -ops.sum(F.cross_entropy(logits, target, reduction="none"), (1, 2))
