"""What a measurement shows: a table in the terminal, Markdown, JSON and a picture, under one name in one folder."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygen.bench.result import Ratio, Runs
from tinygen.files import replacing, write_atomically

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Columns:
    """Columns between a library's values and its ratios: names, cells by case, colours, numbers, words in the title."""

    header: list[str]
    cells: Callable[[str], list[str]]
    colour: Callable[[str, int], str | None] = lambda case, column: None
    content: dict[str, Any] = field(default_factory=dict)
    said: str = ""


NO_COLUMNS = Columns([], lambda case: [])
TOO_SLOW = 1.1
"""A ratio above this is shown in red."""


@dataclass(frozen=True)
class Section:
    """Columns and rows of text, and a cell's colour by (row, column), where it has one."""

    header: list[str]
    cells: list[list[str]]
    colours: Callable[[int, int], str | None] = lambda row, column: None

    def table(self, title: str = "") -> "Table":
        """For the terminal."""
        from rich.box import SIMPLE
        from rich.markup import escape
        from rich.table import Table

        found = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE)
        for i, name in enumerate(self.header):
            found.add_column(name, justify="right" if i else "left")
        for i, row in enumerate(self.cells):
            coloured = [(escape(cell), self.colours(i, j)) for j, cell in enumerate(row)]
            found.add_row(*(f"[{colour}]{cell}[/{colour}]" if colour else cell for cell, colour in coloured))
        return found

    def markdown(self) -> str:
        """As Markdown."""
        lines = [self.header, *self.cells]
        written = [f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|\n" for line in lines]
        return "".join([written[0], "|---" * len(self.header) + "|\n", *written[1:]])


@dataclass(frozen=True)
class Report(Section):
    """A section with everything in numbers, how to draw it, and a section that follows it, if any."""

    title: str = ""
    content: dict[str, Any] = field(default_factory=dict)
    draw: Callable[[Any], None] = lambda figure: None
    height: float = 1.0
    failed: bool = False
    below: Section | None = None

    def tables(self) -> list["Table"]:
        """For the terminal, one below the other."""
        return [self.table(self.title), *([self.below.table()] if self.below else [])]

    def save(self, folder: Path, name: str, machine: dict[str, str], command: str = "") -> list[Path]:
        """Writes it in three forms of one name, each saying which command on which machine it comes from; where to."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{name}.{kind}" for kind in ("md", "json", "png")]
        about = ", ".join(f"{key} {value}" for key, value in machine.items())
        sections = [section.markdown() for section in (self, self.below) if section]
        words = [*([f"`{command}`\n"] if command else []), f"{about}.\n", f"{self.title}.\n", *sections]
        write_atomically(paths[0], "\n".join([*words, f"![{name}]({paths[2].name})\n"]))
        content = {"command": command, "machine": machine, "title": self.title, **self.content}
        write_atomically(paths[1], re.sub(r"\n {4,}", " ", json.dumps(content, indent=1)))  # a row is a line, or two
        with replacing(paths[2]) as temporary:
            picture(temporary, self.draw, self.height)
        return paths


def picture(path: Path, draw: Callable[[Any], None], height: float) -> None:
    """A PNG of what `draw(figure)` makes of an empty figure of that height in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    figure.savefig(path, format="png")


def of_ratios(runs: Runs, title: str, beside: Columns = NO_COLUMNS) -> Report:
    """The first library's value, and its ratio to each other one's: below 1 it is the better.

    Args:
        beside: columns that stand between the two.
    """
    first, *others = runs.names
    cells = [
        [case, runs.value(case, first), *beside.cells(case), *(runs.cell(case, other) for other in others)]
        for case in runs.cases
    ]

    def colours(row: int, column: int) -> str | None:
        case, ratios = runs.cases[row], 2 + len(beside.header)
        if column < ratios:
            return beside.colour(case, column - 2)
        return colour(runs.ratio(case, others[column - ratios]))

    spread = "with quartiles" if len(runs.runs) == 1 else f"of {len(runs.runs)} runs, with the least and the greatest"
    return Report(
        ["", f"{first}, {runs.unit.name}", *beside.header, *(f"over {other}" for other in others)],
        cells,
        colours,
        f"{beside.said}{title}, {spread}{runs.remark}",
        runs.as_json() | beside.content,
        lambda figure: dots(figure, runs),
        1.2 + max(0.26, 0.1 * len(others)) * len(runs.cases),
        runs.wrong,
    )


def colour(ratio: Ratio | None) -> str | None:
    """Green where the first is the better, yellow to `TOO_SLOW`, red beyond."""
    if ratio is None:
        return None
    return "red" if ratio.middle > TOO_SLOW else "yellow" if ratio.middle > 1 else "green"


def dots(figure: Any, runs: Runs) -> None:
    """Ratios as dots with their spread, one line a case, on a logarithmic axis with 1 in the middle."""
    first, *others = runs.names
    axes = figure.add_subplot()
    axes.axvline(1.0, color="#8a919b", linewidth=1)
    for k, name in enumerate(others):
        points = [(i, *r) for i, case in enumerate(runs.cases) if (r := runs.ratio(case, name)) is not None]
        if points:
            i, middle, low, high = map(np.array, zip(*points))
            y = i + min(0.22, 0.8 / len(others)) * (k - (len(others) - 1) / 2)
            axes.hlines(y, low, high, color=f"C{k}", linewidth=1.2)
            axes.plot(middle, y, "o", color=f"C{k}", markersize=4, label=f"over {name}")
    axes.set(xscale="log", xlabel=f"{first} over another (below 1: better)", ylim=(len(runs.cases) - 0.5, -0.5))
    low, high = axes.get_xlim()
    numbers = round_numbers(min(low, 0.5), max(high, 2))
    in_plain_numbers(axes.xaxis, numbers[0], numbers[-1])
    axes.set_yticks(range(len(runs.cases)), runs.cases, fontsize=8)
    axes.grid(axis="x", color="#e3e6ea", linewidth=0.7)
    bare(axes)
    if others:
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(3, len(others)))


def round_numbers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, from the last that is not above `low` to the first that is not below `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)]
    return [
        n for n, after in zip(every, [*every[1:], math.inf]) if after > low and n <= min(e for e in every if e >= high)
    ]


def in_plain_numbers(axis: Any, low: float, high: float) -> None:
    """Ticks at round numbers of a logarithmic axis from `low` to `high`, both above 0; of many the powers of ten."""
    inside = [n for n in round_numbers(low, high) if low <= n <= high]
    powers = [n for n in inside if math.log10(n).is_integer()]
    shown = powers if len(inside) > 6 and len(powers) > 1 else inside
    axis.set_ticks(shown, [f"{n:g}" for n in shown])
    axis.axes.minorticks_off()
    axis.set_view_interval(low, high, ignore=True)


def bare(axes: Any) -> None:
    """No frame."""
    for side in axes.spines.values():
        side.set_visible(False)
