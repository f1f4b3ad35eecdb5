"""What there is to see of a flow: its density beside the truth, where points go on the way, images by temperature.

Held by tests/flow/test_flow_pictures.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.device import Device
from tinygen.distributions import Distribution
from tinygen.drawing import ImageRows, Maps, Paths
from tinygen.flow.contract import Composed, Flow
from tinygen.flow.dequantisation import from_unit
from tinygen.random import Generator
from tinygen.tensor import Tensor

SIDE = 240
"""Points of a density map along each axis."""
WALKERS = 200
TEMPERATURES = (0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
COLUMNS = 12


def density_maps(log_prob: Callable[[Tensor], Tensor], dataset: Any, dtype: Any, device: str | Device = "cpu") -> Maps:
    """The density over the square of the data, and beside it the true one where `dataset` knows it.

    Args:
        dtype, device: of what `log_prob` takes.
    """
    low, high = dataset.value_range
    margin = 0.1 * (high - low)
    limits = (low - margin, high + margin)
    step = (limits[1] - limits[0]) / SIDE
    middle = limits[0] + step * (np.arange(SIDE) + 0.5)
    points = np.stack(np.meshgrid(middle, middle), axis=-1)
    lines = [Tensor(row.astype(dtype)) for row in points]
    rows = {"model": np.exp([np.asarray(log_prob(line.to(device))) for line in lines])}
    if dataset.truth is not None:
        rows["truth"] = np.exp([np.asarray(dataset.truth.log_prob(line)) for line in lines])
    return Maps("Density, beside the true one" if len(rows) > 1 else "Density", rows, limits)


def paths_from_base(flow: Flow, start: Tensor) -> Paths:
    """Where draws `start` (n, 2) from the base are after each part of the flow, down to the data."""
    visited, x = [np.asarray(start)], start
    for part in reversed(list(flow.flows)) if isinstance(flow, Composed) else [flow]:
        x, _ = part.inverse(x)
        visited.append(np.asarray(x))
    return Paths("From the base to the data, layer by layer", np.stack(visited))


def temperature_rows(flow: Flow, base: Distribution, shape: tuple[int, ...], levels: int, rng: Generator) -> ImageRows:
    """The same draws from the base, scaled by each temperature (Kingma and Dhariwal 2018, section 6)."""
    z = base.sample(rng, (COLUMNS, *shape))
    rows = [from_unit(flow.inverse(z * temperature)[0], levels) for temperature in TEMPERATURES]
    names = tuple(f"T = {temperature}" for temperature in TEMPERATURES)
    return ImageRows("Temperature: the same draws from the base, scaled by T", np.stack(rows), names)
