"""A drawing as a PNG: on no ground and in middle tones, so that it can be read on a light page and on a dark one.

Two pixels of the file are one of the page, which keeps text sharp on fine screens. The caption is not in the picture
but beside it in the file, as the PNG's Title: `caption_of` reads it back. Held by tests/drawing/.
"""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from tinygen.drawing.images import image_grid
from tinygen.drawing.kinds import Bars, Curves, Drawing, ImageRows, Maps, Paths, Scatter, Timeline

PER_INCH = 200
"""Pixels of the file; half as many of the page. A page is about 9 inches wide, an image in a row 0.7 at most."""
WIDE, HALF, LARGEST = 9.0, 4.4, 0.7
INK, LINE, ACCENT = "#7d8590", "#7d859044", "#4c86ec"
COLOURS = (ACCENT, "#e8833a", "#3fa66b", "#d9534f", "#9a72d1", "#a8775f", "#dd78b8", "#8a929c", "#b0a12f", "#2fa9bd")
"""Those of groups and lines, told apart by people who see no red or no green as far as ten colours can be."""


def render(drawing: Drawing) -> bytes:
    """The PNG of a drawing, at most 1800 pixels wide, with its caption as the file's title.

    Raises:
        ValueError: an array of another shape than the drawing's kind has, or a timeline of nothing.
    """
    draw = cast(Callable[[Any], Any], _DRAWN_BY[type(drawing)])
    buffer = io.BytesIO()
    figure = draw(drawing)
    figure.savefig(buffer, format="png", dpi=PER_INCH, transparent=True, metadata={"Title": drawing.caption})
    return buffer.getvalue()


def caption_of(path: Path) -> str:
    """The caption of a file that holds what `render` gave; the empty string when it has none."""
    from PIL import Image

    with Image.open(path) as image:
        return str(image.info.get("Title", ""))


def _image_rows(drawing: ImageRows) -> Any:
    _expect(drawing.images, "(rows, columns, C, H, W)", drawing.images.ndim == 5)
    rows, columns = drawing.images.shape[:2]
    names = 1.3 if drawing.names else 0.0  # inches
    side = int((WIDE - names) * PER_INCH)
    pixels = image_grid(drawing.images.reshape(-1, *drawing.images.shape[2:]), columns, _side(drawing, side))
    height, width = pixels.shape[0] / PER_INCH, pixels.shape[1] / PER_INCH
    figure = _figure(names + width, height)
    figure.set_dpi(PER_INCH)  # figimage counts pixels: none is resampled
    figure.figimage(pixels, round(names * PER_INCH), 0)
    for row, name in enumerate(drawing.names):
        y = 1 - (row + 0.5) / rows
        figure.text(
            (names - 0.12) / (names + width), y, name, ha="right", va="center", color=INK, fontsize=9, wrap=False
        )
    return figure


def _side(drawing: ImageRows, widest: int) -> int:
    """The longer side that lets the grid be as wide as there is room, and no image larger than LARGEST."""
    rows, columns, _, height, width = drawing.images.shape
    factor = min(
        (widest - 2 * columns - 2) / (columns * width + (columns + 1) / 2), LARGEST * PER_INCH / max(height, width)
    )
    return max(1, int(factor)) * max(rows * height, columns * width)


def _scatter(drawing: Scatter) -> Any:
    for points in drawing.groups.values():
        _expect(points, "(n, 2)", points.ndim == 2 and points.shape[1] == 2)
    figure, axes = _axes(HALF, HALF)
    most = max((len(points) for points in drawing.groups.values()), default=1)
    size = min(14.0, max(1.5, 6000 / (most * len(drawing.groups))))
    for (name, points), colour in zip(drawing.groups.items(), _colours(len(drawing.groups))):
        axes.scatter(*points.T, s=size, color=colour, alpha=0.7, linewidths=0, label=name)
    axes.set_aspect("equal", adjustable="datalim")
    if len(drawing.groups) > 1:
        _legend(axes, markerscale=math.sqrt(20 / size))
    return figure


def _maps(drawing: Maps) -> Any:
    for values in drawing.values.values():
        _expect(values, "(H, W)", values.ndim == 2)
    count = len(drawing.values)
    panel = min(HALF, (WIDE - 0.8) / count)
    figure = _figure(count * panel + 0.8, panel + 0.2, layout="constrained")
    low = min(float(np.min(values)) for values in drawing.values.values())
    high = max(float(np.max(values)) for values in drawing.values.values())
    panels = figure.subplots(1, count, squeeze=False)[0]
    image = None
    for index, (axes, (name, values)) in enumerate(zip(panels, drawing.values.items())):
        image = axes.imshow(
            values, origin="lower", extent=(*drawing.limits, *drawing.limits), vmin=low, vmax=high, cmap="viridis"
        )
        _style(axes)
        axes.grid(False)
        axes.set_title(name, color=INK, fontsize=9)
        axes.tick_params(labelleft=index == 0)
    bar = figure.colorbar(image, ax=list(panels), shrink=0.8, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=INK, labelcolor=INK, labelsize=8, length=0)
    return figure


def _paths(drawing: Paths) -> Any:
    from matplotlib.collections import LineCollection

    points = drawing.points
    _expect(points, "(steps, n, 2)", points.ndim == 3 and points.shape[2] == 2)
    figure, axes = _axes(HALF, HALF)
    axes.add_collection(LineCollection(list(points.transpose(1, 0, 2)), colors=ACCENT, linewidths=0.6, alpha=0.45))
    axes.scatter(*points[0].T, s=9, color=INK, linewidths=0, label="start", zorder=3)
    axes.scatter(*points[-1].T, s=12, color=COLOURS[1], linewidths=0, label="end", zorder=4)
    axes.set_aspect("equal", adjustable="datalim")
    _legend(axes)
    return figure


def _bars(drawing: Bars) -> Any:
    from matplotlib.ticker import MaxNLocator

    heights = drawing.heights
    _expect(heights, "(n,)", heights.ndim == 1)
    figure, axes = _axes(WIDE if len(heights) > 64 else HALF, 3.0)
    axes.bar(np.arange(len(heights)), heights, width=0.8 if len(heights) <= 64 else 1.0, color=ACCENT)
    axes.set_xlim(-0.5, len(heights) - 0.5)
    for (name, height), colour in zip(drawing.references.items(), COLOURS[1:]):
        axes.axhline(height, color=colour, linewidth=1.2, linestyle="--", label=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", visible=False)
    return _named(figure, axes, drawing.xlabel, drawing.ylabel, bool(drawing.references))


def _curves(drawing: Curves) -> Any:
    for values in drawing.lines.values():
        _expect(values, f"({len(drawing.x)},)", values.shape == drawing.x.shape)
    figure, axes = _axes(HALF, 3.0)
    for (name, values), colour in zip(drawing.lines.items(), _colours(len(drawing.lines))):
        axes.plot(drawing.x, values, color=colour, linewidth=1.6, label=name)
    return _named(figure, axes, drawing.xlabel, drawing.ylabel, len(drawing.lines) > 1)


def _timeline(drawing: Timeline) -> Any:
    from matplotlib.patches import Patch

    stretches = [stretch for lane in drawing.lanes.values() for stretch in lane]
    if not stretches:
        raise ValueError("render: a timeline has at least one stretch")
    begin, end = min(s.start for s in stretches), max(s.stop for s in stretches)
    colours = dict(zip(drawing.groups, _colours(len(drawing.groups))))
    figure, axes = _axes(WIDE, 0.8 + 0.34 * len(drawing.lanes))
    per_letter = 0.075 * (end - begin) / (WIDE - 1.2)  # of the axis, at this size of letters
    for row, lane in enumerate(drawing.lanes.values()):
        for group in dict.fromkeys(s.group for s in lane):
            places = [(s.start - begin, s.stop - s.start) for s in lane if s.group == group]
            look = (
                {"facecolors": colours[group]} if group else {"facecolors": LINE, "edgecolors": INK, "linewidth": 0.3}
            )
            axes.broken_barh(places, (row - 0.42, 0.84), **look)
        for s in lane:
            if s.name and s.stop - s.start > per_letter * (len(s.name) + 1):
                axes.text((s.start + s.stop) / 2 - begin, row, s.name, ha="center", va="center", color=INK, fontsize=7)
    axes.set_xlim(0, end - begin)
    axes.set_ylim(len(drawing.lanes) - 0.5, -0.5)
    axes.set_yticks(range(len(drawing.lanes)), list(drawing.lanes))
    axes.grid(axis="y", visible=False)
    if colours:
        _legend(axes, handles=[Patch(color=colour, label=group) for group, colour in colours.items()])
    axes.set_xlabel(drawing.xlabel, color=INK, fontsize=9)
    return figure


_DRAWN_BY = {
    ImageRows: _image_rows,
    Scatter: _scatter,
    Maps: _maps,
    Paths: _paths,
    Bars: _bars,
    Curves: _curves,
    Timeline: _timeline,
}


def _expect(array: Any, shape: str, fits: bool) -> None:
    if not fits:
        raise ValueError(f"render: an array of shape {shape} is needed, found {array.shape}")


def _figure(width: float, height: float, **options: Any) -> Any:
    """A figure of its own, without matplotlib's global state, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


def _axes(width: float, height: float) -> tuple[Any, Any]:
    figure = _figure(width, height, layout="constrained")
    axes = figure.add_subplot()
    _style(axes)
    return figure, axes


def _style(axes: Any) -> None:
    axes.set_facecolor("none")
    axes.grid(color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=INK, labelcolor=INK, length=0, labelsize=8, which="both")


def _named(figure: Any, axes: Any, xlabel: str, ylabel: str, legend: bool) -> Any:
    axes.set_xlabel(xlabel, color=INK, fontsize=9)
    axes.set_ylabel(ylabel, color=INK, fontsize=9)
    if legend:
        _legend(axes)
    return figure


def _legend(axes: Any, markerscale: float = 1.0, handles: list[Any] | None = None) -> None:
    """Below the axes, where it hides nothing; of what is labelled there, or of `handles`."""
    handles = axes.get_legend_handles_labels()[0] if handles is None else handles
    axes.figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), 5),
        frameon=False,
        labelcolor=INK,
        fontsize=8,
        markerscale=markerscale,
        handletextpad=0.4,
        columnspacing=1.2,
    )


def _colours(count: int) -> list[Any]:
    """That many colours: the ten, or as many as are needed round the wheel."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib.colors import hsv_to_rgb

    return [hsv_to_rgb((index / count, 0.65, 0.82)) for index in range(count)]
