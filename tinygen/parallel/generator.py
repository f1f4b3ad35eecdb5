"""Noise of a shared step: each rank draws the rows of its examples from what one process would draw.

The stream of a key is counted in words (`tinygen/random.py`), so a rank skips to the words of its rows and then past
those of all: rank r of R draws, of shape (n, ...), the rows r n to (r + 1) n - 1 of a draw of shape (R n, ...).
A draw says by its shape whose it is: its first axis is the batch. What is not of that form must be said:

    along(rng, 1)    the batch is the second axis, as in k samples for each example, (k, n, ...)
    common(rng)      the same on all ranks, as what all of them do with the whole batch

and a draw of another shape raises, as does a permutation, which could be meant either way.
Held by tests/parallel/test_sharded_generator.py.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.device import Device
from tinygen.ops.joining import stack
from tinygen.parallel.step import Share, share
from tinygen.random import Generator, Shape
from tinygen.tensor import Tensor


def own_rows(rng: Generator) -> Generator:
    """`rng` as a rank draws from it in the step in progress; itself where none is shared."""
    now = share()
    return rng if now is None or isinstance(rng, OwnRows) else OwnRows(rng, now)


def along(rng: Generator, axis: int) -> Generator:
    """`rng` for draws whose batch is the axis `axis`; matters in a shared step only."""
    return OwnRows(rng.whole, rng.part, axis) if isinstance(rng, OwnRows) else rng


def common(rng: Generator) -> Generator:
    """`rng` for draws that are the same on all ranks; matters in a shared step only."""
    return rng.whole if isinstance(rng, OwnRows) else rng


class OwnRows(Generator):
    """A rank's view of a generator, whose position it moves past the words of all ranks.

    Args:
        whole: what one process would draw from.
        part: which rows are this rank's.
        axis: where the batch is in the shapes that are asked for.
    """

    __slots__ = ("axis", "part", "whole")

    def __init__(self, whole: Generator, part: Share, axis: int = 0) -> None:
        self.whole, self.part, self.axis = whole, part, axis
        self._key = whole.key

    def __repr__(self) -> str:
        return f"OwnRows({self.whole!r}, rank {self.part.ranks.rank} of {self.part.ranks.size})"

    def __copy__(self) -> "OwnRows":
        """One of its own at the same place, as a captured step keeps it."""
        return OwnRows(copy.copy(self.whole), self.part, self.axis)

    @property
    def counter(self) -> int:
        """The position in the stream, the same on all ranks."""
        return self.whole.counter

    @property
    def state(self) -> dict[str, Any]:
        """That of the whole."""
        return self.whole.state

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.whole.state = state
        self._key = self.whole.key

    def integers(self, low: int, high: int, shape: Shape, device: str | Device | None = None) -> Tensor:
        """As `Generator.integers`, this rank's rows."""
        size = shape if isinstance(shape, tuple) else (shape,)
        draw = lambda inner: super(OwnRows, self).integers(low, high, inner, device)
        return self._piecewise(size, draw)

    def permutation(self, n: int, device: str | Device | None = None) -> Tensor:
        """Raises ValueError: of all examples, or of this rank's?"""
        raise ValueError(
            f"a permutation of {n} in a step that ranks share: parallel.common(rng) gives the same to all, "
            "to be used on what parallel.gathered makes of all their rows"
        )

    def split(self, n: int) -> tuple[Generator, ...]:
        """Children that are this rank's views of the whole's children."""
        return tuple(OwnRows(child, self.part, self.axis) for child in self.whole.split(n))

    def _draw(
        self, law: str, shape: tuple[int, ...], n: int, dtype: np.dtype[Any], device: str | Device | None
    ) -> Tensor:
        draw = super()._draw
        return self._piecewise(shape, lambda inner: draw(law, inner, math.prod(inner), dtype, device))

    def _piecewise(self, shape: tuple[int, ...], draw: Callable[[tuple[int, ...]], Tensor]) -> Tensor:
        """A draw for each index of the axes before the batch's: what follows them lies together in the stream."""
        rows = self.part.rows
        if len(shape) <= self.axis or shape[self.axis] != rows:
            raise ValueError(
                f"a draw of shape {shape} in a step that ranks share, with {rows} examples for each: its axis "
                f"{self.axis} would be {rows}. parallel.along(rng, axis) tells of another axis, and "
                "parallel.common(rng) draws the same on all ranks"
            )
        if self.axis == 0:
            return draw(shape)
        inner = shape[self.axis :]
        return stack([draw(inner) for _ in range(math.prod(shape[: self.axis]))]).reshape(shape)

    def _next(self, n: int) -> tuple[tuple[int, int], int]:
        key, position = self.whole._next(self.part.ranks.size * n)
        return key, position + self.part.ranks.rank * n
