"""What was measured: medians, quartiles, ratios round by round; as a table, as JSON, as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Timing:
    """The samples of one library at one case: a median each, all times, how many were disturbed."""

    medians: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    disturbed: int = 0

    def add(self, middle: float, times: Sequence[float], disturbed: bool) -> None:
        """One sample."""
        self.medians.append(middle)
        self.times += times
        self.disturbed += disturbed

    @property
    def seconds(self) -> float:
        """The median of the samples' medians."""
        return median(self.medians)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of all times, in seconds."""
        low, high = np.quantile(self.times, (0.25, 0.75))
        return float(low), float(high)


@dataclass
class Row:
    """One case: a timing for each library that computes it rightly, and why the others do not."""

    case: str
    timings: dict[str, Timing]
    wrong: dict[str, str]

    def ratio(self, of: str, to: str) -> tuple[float, float, float] | None:
        """The time of one library over another's, round by round: median and quartiles; None where one is missing."""
        if of not in self.timings or to not in self.timings:
            return None
        ratios = np.divide(self.timings[of].medians, self.timings[to].medians)
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        return float(middle), float(low), float(high)

    def milliseconds(self, name: str) -> str:
        """The time of one library as a table shows it, or why it has none."""
        return f"{self.timings[name].seconds * 1e3:.3g}" if name in self.timings else self.wrong.get(name, "")

    def cell(self, of: str, to: str) -> str:
        """The ratio with its quartiles as a table shows it, or why there is none."""
        ratio = self.ratio(of, to)
        if ratio is None:
            return self.wrong.get(to, "")
        mark = "*" if self.timings[of].disturbed or self.timings[to].disturbed else ""
        return f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f}){mark}"

    def as_json(self, first: str) -> dict[str, Any]:
        """Everything that a later comparison needs."""
        entry: dict[str, Any] = {"case": self.case, "wrong": self.wrong, "libraries": {}}
        for name, timing in self.timings.items():
            ratio = self.ratio(first, name)
            entry["libraries"][name] = {
                "median_ms": timing.seconds * 1e3,
                "quartiles_ms": [1e3 * t for t in timing.quartiles],
                "samples": len(timing.medians),
                "disturbed": timing.disturbed,
                f"{first}_over_this": ratio,
            }
        return entry


def table(rows: Sequence[Row], names: Sequence[str], title: str) -> "Table":
    """Milliseconds of the first library, and its time over each other one's: below 1 it is the faster."""
    from rich.box import SIMPLE
    from rich.table import Table

    first, *others = names
    found = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE)
    found.add_column("")
    found.add_column(f"{first}, ms", justify="right")
    for name in others:
        found.add_column(f"over {name}", justify="right")
    for row in rows:
        cells = []
        for name in others:
            ratio = row.ratio(first, name)
            colour = "red" if ratio is None or ratio[0] > 1.1 else "yellow" if ratio[0] > 1 else "green"
            cells.append(f"[{colour}]{row.cell(first, name)}[/{colour}]")
        found.add_row(row.case, row.milliseconds(first), *cells)
    return found


def markdown(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The table as Markdown: median ratios with their quartiles; * where something else ran meanwhile."""
    first, *others = names
    lines = [
        " | ".join(["|", f"{first}, ms", *(f"over {name}" for name in others), ""]).strip(),
        "|---" * (len(names) + 1) + "|",
    ]
    for row in rows:
        lines.append(f"| {' | '.join([row.case, row.milliseconds(first), *(row.cell(first, n) for n in others)])} |")
    return "\n".join(lines) + "\n"


def save_picture(path: Path, rows: Sequence[Row], names: Sequence[str]) -> None:
    """Ratios as dots with their quartiles, one line a case, on a logarithmic axis with 1 in the middle."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first, *others = names
    figure = Figure(figsize=(8.4, 1.2 + 0.26 * len(rows)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvline(1.0, color="#8a919b", linewidth=1)
    for k, name in enumerate(others):
        points = [(i, *r) for i, row in enumerate(rows) if (r := row.ratio(first, name)) is not None]
        if points:
            i, middle, low, high = map(np.array, zip(*points))
            y = i + 0.22 * (k - (len(others) - 1) / 2)
            axes.hlines(y, low, high, color=f"C{k}", linewidth=1.2)
            axes.plot(middle, y, "o", color=f"C{k}", markersize=4, label=f"over {name}")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5]
    axes.set(xscale="log", xlabel=f"time of {first} (below 1: faster)", ylim=(len(rows) - 0.5, -0.5))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(range(len(rows)), [row.case for row in rows], fontsize=8)
    axes.minorticks_off()
    axes.grid(axis="x", color="#e3e6ea", linewidth=0.7)
    for side in axes.spines.values():
        side.set_visible(False)
    if others:
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(others))
    figure.savefig(path, format="png")
