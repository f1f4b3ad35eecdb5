"""How time and memory grow with batch, channels, resolution, depth and length: c n^p, fitted, beside PyTorch's.

The cases are operations like all others (forward and backward), each a small network of given sizes; one size is varied
at a time. The fit is the straight line of least squares through (log n, log value).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.bench.operations import Arrays, Operation


def convolutions(batch: int, channels: int, side: int, depth: int) -> Operation:
    """`depth` convolutions of 3 x 3, each followed by SiLU, on images."""
    image = (batch, channels, side, side)
    weights = {f"w{i}": (channels, channels, 3, 3) for i in range(depth)}

    def call(F: Any, a: Arrays) -> Any:
        h = a["x"]
        for name in weights:
            h = F.silu(F.conv2d(h, a[name], None, padding=1))
        return h

    scale = dict.fromkeys(weights, (2 / (9 * channels)) ** 0.5)
    name = f"convolutions, batch {batch}, channels {channels}, side {side}, depth {depth}"
    return Operation(name, {"x": image, **weights}, call, scale, images=True)


def linears(batch: int, width: int, depth: int) -> Operation:
    """`depth` linear layers, each followed by SiLU."""
    weights = {f"w{i}": (width, width) for i in range(depth)}

    def call(F: Any, a: Arrays) -> Any:
        h = a["x"]
        for name in weights:
            h = F.silu(F.linear(h, a[name], None))
        return h

    scale = dict.fromkeys(weights, (2 / width) ** 0.5)
    name = f"linear layers, batch {batch}, width {width}, depth {depth}"
    return Operation(name, {"x": (batch, width), **weights}, call, scale)


def attention(batch: int, length: int, size: int) -> Operation:
    """Attention of four heads."""
    return Operation(
        f"attention, batch {batch}, length {length}, size {size}",
        dict.fromkeys("qkv", (batch, 4, length, size)),
        lambda F, a: F.scaled_dot_product_attention(a["q"], a["k"], a["v"]),
    )


@dataclass(frozen=True)
class Series:
    """One size of one network, varied: the points in rising order."""

    network: str
    varied: str
    sizes: tuple[int, ...]
    points: tuple[Operation, ...]

    @property
    def name(self) -> str:
        return f"{self.network}, {self.varied}"


def _series(network: Any, name: str, varied: str, sizes: Sequence[int], **fixed: int) -> Series:
    return Series(name, varied, tuple(sizes), tuple(network(**fixed, **{varied: n}) for n in sizes))


SERIES = [
    _series(convolutions, "convolutions", "batch", (16, 32, 64, 128), channels=32, side=28, depth=4),
    _series(convolutions, "convolutions", "channels", (16, 32, 64, 128), batch=32, side=28, depth=4),
    _series(convolutions, "convolutions", "side", (14, 28, 56, 112), batch=16, channels=32, depth=4),
    _series(convolutions, "convolutions", "depth", (2, 4, 8, 16), batch=32, channels=32, side=28),
    _series(attention, "attention", "length", (128, 256, 512, 1024), batch=16, size=32),
    _series(attention, "attention", "batch", (8, 16, 32, 64), length=256, size=32),
    _series(linears, "linear layers", "batch", (512, 1024, 2048, 4096), width=512, depth=4),
    _series(linears, "linear layers", "width", (256, 512, 1024, 2048), batch=512, depth=4),
    _series(linears, "linear layers", "depth", (2, 4, 8, 16), batch=512, width=512),
]
POINTS = list({point.name: point for series in SERIES for point in series.points}.values())


@dataclass(frozen=True)
class Fit:
    """value = constant * n^exponent, and the root mean square of what is left, as a share of the value."""

    exponent: float
    constant: float
    residual: float

    def __call__(self, n: float) -> float:
        return self.constant * n**self.exponent


def fit(sizes: Sequence[int], values: Sequence[float]) -> Fit:
    """The power law through the points.

    Raises:
        ValueError: fewer than two points, or a value that is not above 0.
    """
    if len(sizes) < 2 or min(values) <= 0:
        raise ValueError(f"a power law goes through two points or more, all above 0, not {list(values)}")
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(values, float))
    exponent, intercept = np.polyfit(x, y, 1)
    left = y - (exponent * x + intercept)
    return Fit(float(exponent), float(np.exp(intercept)), float(np.sqrt(np.mean(left**2))))
