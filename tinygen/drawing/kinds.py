"""What a model shows of itself, as plain data: a family says what there is to see, the training room draws it.

A model's `drawings(dataset, rng)` gives a sequence of these; each becomes one picture of the run's report. Images
are scaled as data sets are, in [-1, 1]; points are in the plane.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy.typing as npt


@dataclass(frozen=True)
class ImageRows:
    """Images in named rows, to be compared down the columns: originals and reconstructions, a traversal a row."""

    caption: str
    images: npt.NDArray
    """(rows, columns, C, H, W) in [-1, 1]."""
    names: tuple[str, ...] = ()
    """One a row, or none."""


@dataclass(frozen=True)
class Scatter:
    """Named groups of points in the plane: a latent map by class, samples beside the data."""

    caption: str
    groups: dict[str, npt.NDArray]
    """Name -> (n, 2)."""


@dataclass(frozen=True)
class Maps:
    """Named heat maps over one square of the plane, on one colour scale: a density beside the truth."""

    caption: str
    values: dict[str, npt.NDArray]
    """Name -> (H, W); the first row is the lowest ordinate."""
    limits: tuple[float, float]
    """Least and greatest coordinate, of both axes."""


@dataclass(frozen=True)
class Paths:
    """Where points go, one line a point: a sampler's trajectories."""

    caption: str
    points: npt.NDArray
    """(steps, n, 2)."""


@dataclass(frozen=True)
class Bars:
    """Heights of numbered bars: how often each code is used."""

    caption: str
    heights: npt.NDArray
    """(n,)."""
    xlabel: str = ""
    ylabel: str = ""
    references: dict[str, float] = field(default_factory=dict)
    """Name -> a height to compare with, drawn as a line across."""


@dataclass(frozen=True)
class Curves:
    """Named lines over one axis: a bound as it tightens, beside what it tends to."""

    caption: str
    x: npt.NDArray
    """(n,)."""
    lines: dict[str, npt.NDArray]
    """Name -> (n,)."""
    xlabel: str = ""
    ylabel: str = ""


class Stretch(NamedTuple):
    """A piece of a lane; its name is written where there is room. Those of a group have a colour, of "" none."""

    start: float
    stop: float
    name: str
    group: str = ""


@dataclass(frozen=True)
class Timeline:
    """What happened when, in named lanes, one below the other: a training step by module and by operation."""

    caption: str
    lanes: dict[str, tuple[Stretch, ...]]
    """Name -> its pieces, none of which overlap."""
    groups: tuple[str, ...] = ()
    """In the order of their colours."""
    xlabel: str = ""


Drawing = ImageRows | Scatter | Maps | Paths | Bars | Curves | Timeline
