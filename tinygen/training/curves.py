"""The loss curve: every logged value in a light line, the smoothed course on top of it.

Drawn once, by matplotlib: as a PNG file, and as SVG whose colours are the variables of the page it stands in.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygen.files import replacing

POINTS = 1000
"""More records than this are thinned to means of neighbours: a curve on a page shows no more."""
LOGARITHMIC = 4
"""The loss axis is logarithmic where the greatest loss is more than so many times the least."""

# colour in the PNG -> variable of the page
COLOURS = {"ink": "#1f2328", "muted": "#8b949e", "line": "#e3e6ea", "accent": "#3b6fd4", "faint": "#b9cbef"}


def save_curve(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """The loss over the steps as a PNG, atomically. Raises OSError."""
    with replacing(Path(path)) as temporary:
        _figure(records, ground="white").savefig(temporary, format="png", dpi=150)


def svg_curve(records: Sequence[Mapping[str, Any]]) -> str:
    """The same as an inline <svg> element coloured by --ink, --muted, --line, --accent and --faint."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "tinygen"}):
        _figure(records, ground="none").savefig(buffer, format="svg", metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg [^>]*?)height="[^"]*" ', r"\1", svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<svg ", '<svg role="img" aria-label="Loss over the steps" ', 1)


def smoothed(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Centred moving mean over `window` (odd) values, over fewer at both ends."""
    half = window // 2
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def _figure(records: Sequence[Mapping[str, Any]], ground: str) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    steps = np.array([record["step"] for record in records], np.float64)
    loss = np.array([record["loss"] for record in records], np.float64)
    if len(loss) > POINTS:
        groups = np.array_split(np.arange(len(loss)), POINTS)
        steps = np.array([steps[group].mean() for group in groups])
        loss = np.array([loss[group].mean() for group in groups])
    figure = Figure(figsize=(7.2, 3.0), facecolor=ground, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor="none")
    if len(loss):
        axes.plot(steps, loss, color=COLOURS["faint"], linewidth=0.9)
        middle = smoothed(loss, window=max(3, len(loss) // 30) | 1)
        axes.plot(steps, middle, color=COLOURS["accent"], linewidth=1.8)
        if loss.min() > 0 and loss.max() > LOGARITHMIC * loss.min():
            axes.set_yscale("log")
            narrow = loss.max() < 30 * loss.min()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if narrow else (1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
        axes.set_xlim(0, steps[-1] * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=COLOURS["line"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=COLOURS["muted"], labelcolor=COLOURS["muted"], length=0, labelsize=8, which="both")
    axes.set_xlabel("step", color=COLOURS["muted"], fontsize=8.5)
    axes.set_ylabel("loss", color=COLOURS["muted"], fontsize=8.5)
    return figure
