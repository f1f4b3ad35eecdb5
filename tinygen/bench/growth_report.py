"""Growth as a table and a picture: for each series the power law of time and of memory, of each library."""

from collections.abc import Mapping, Sequence
from typing import Any

from tinygen.bench.growth import Fit, Series, fit
from tinygen.bench.report import Report, bare, in_plain_numbers
from tinygen.bench.result import MEBIBYTES, MILLISECONDS, Row, Unit

OFF = 0.1
"""Share of the value that the points may be off by before the table says so."""
QUANTITIES: dict[str, Unit] = {"time": MILLISECONDS, "memory": MEBIBYTES}


def of_growth(series: Sequence[Series], rows: Mapping[str, Sequence[Row]], names: Sequence[str]) -> Report:
    """A line for each series and quantity.

    Args:
        rows: "time" and "memory" -> a row for each point of the series, by the point's name.
        names: of the libraries.
    """
    lines = [(one, quantity) for one in series for quantity in QUANTITIES]
    values = {
        (one.name, quantity, name): _values(one, rows[quantity], name, QUANTITIES[quantity])
        for one, quantity in lines
        for name in names
    }
    fits = {key: fit(*pair) for key, pair in values.items() if len(pair[0]) > 1}
    cells = []
    for one, quantity in lines:
        found = [fits.get((one.name, quantity, name)) for name in names]
        span = f"{one.sizes[0]} to {one.sizes[-1]}"
        shown = [said(f, QUANTITIES[quantity], one.sizes[-1]) if f else "" for f in found]
        ratios = [_ratio(found[0], other, one.sizes[-1]) for other in found[1:]]
        cells.append([f"{one.name}, {span}: {quantity}", *shown, *ratios])
    content = {
        "series": [
            {
                "network": one.network,
                "varied": one.varied,
                "quantity": quantity,
                "unit": QUANTITIES[quantity].name,
                "libraries": {
                    name: {
                        "sizes": values[one.name, quantity, name][0],
                        "values": values[one.name, quantity, name][1],
                        "fit": vars(fits[one.name, quantity, name]) if (one.name, quantity, name) in fits else None,
                    }
                    for name in names
                },
            }
            for one, quantity in lines
        ]
    }
    title = "Growth: n^p through all points, its value at the last, and the ratio there"
    wrong = any(row.wrong for kind in rows.values() for row in kind)
    draw = lambda figure: draw_series(figure, series, values, fits, names)
    header = ["", *names, *(f"over {name}" for name in names[1:])]
    height = 0.6 + 1.9 * len(series)
    return Report(header, cells, title=title, content=content, draw=draw, height=height, failed=wrong)


def said(found: Fit, unit: Unit, last: float) -> str:
    """A power law in one cell: the exponent, the value at the last size, and how far the points are off."""
    off = f" (off by {found.residual:.0%})" if found.residual >= OFF else ""
    return f"n^{found.exponent:.2f}, {found(last):.3g} {unit.name}{off}"


def _ratio(one: Fit | None, other: Fit | None, last: float) -> str:
    return "" if one is None or other is None else f"{one(last) / other(last):.2f}"


def _values(series: Series, rows: Sequence[Row], name: str, unit: Unit) -> tuple[list[int], list[float]]:
    """The sizes at which a library was measured, and what came of it."""
    by_case = {row.case: row for row in rows}
    pairs = [
        (size, by_case[point.name].samples[name].middle * unit.scale)
        for size, point in zip(series.sizes, series.points)
        if point.name in by_case and name in by_case[point.name].samples
    ]
    return [size for size, _ in pairs], [value for _, value in pairs]


def draw_series(figure: Any, series: Sequence[Series], values: Any, fits: Any, names: Sequence[str]) -> None:
    """Time on the left, memory on the right, a line of axes for each series, all logarithmic."""
    grid = figure.subplots(len(series), len(QUANTITIES), squeeze=False)
    for one, line in zip(series, grid):
        for (quantity, unit), axes in zip(QUANTITIES.items(), line):
            for k, name in enumerate(names):
                key = (one.name, quantity, name)
                axes.plot(*values[key], "o", color=f"C{k}", markersize=4)
                if key in fits:
                    ends = (one.sizes[0], one.sizes[-1])
                    label = f"{name}: n^{fits[key].exponent:.2f}"
                    axes.plot(ends, [fits[key](n) for n in ends], color=f"C{k}", linewidth=1, label=label)
            axes.set(xscale="log", yscale="log")
            axes.set_ylabel(f"{quantity}, {unit.name}", fontsize=8)
            axes.set_title(one.name, fontsize=8, loc="left")
            axes.set_xticks(one.sizes, [str(n) for n in one.sizes], fontsize=7)
            axes.minorticks_off()
            in_plain_numbers(axes.yaxis, *axes.get_ylim())
            axes.yaxis.set_tick_params(labelsize=7)
            axes.grid(color="#e3e6ea", linewidth=0.7)
            bare(axes)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, fontsize=7)
