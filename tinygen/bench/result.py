"""What was measured: medians, quartiles, ratios round by round, and how they agree from run to run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

import numpy as np


@dataclass
class Samples:
    """What one library took at one case: a value a round, all single readings, how many rounds were disturbed."""

    values: list[float] = field(default_factory=list)
    readings: list[float] = field(default_factory=list)
    disturbed: int = 0

    def add(self, value: float, readings: Sequence[float] = (), disturbed: bool = False) -> None:
        """One round."""
        self.values.append(value)
        self.readings += readings or [value]
        self.disturbed += disturbed

    @property
    def middle(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of all readings."""
        low, high = np.quantile(self.readings, (0.25, 0.75))
        return float(low), float(high)


class Unit(NamedTuple):
    """In what a table shows values: its name, and how many of it one second or byte is."""

    name: str
    scale: float


MILLISECONDS, MICROSECONDS, SECONDS = Unit("ms", 1e3), Unit("us", 1e6), Unit("s", 1.0)
MEBIBYTES = Unit("MiB", 2.0**-20)


class Ratio(NamedTuple):
    """One library's value over another's."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def _to_four_digits(value: float) -> float:
    """No measurement has more."""
    return float(f"{value:.4g}")


@dataclass
class Row:
    """One case: samples of each library that computes it rightly, and why the others do not."""

    case: str
    samples: dict[str, Samples]
    wrong: dict[str, str]

    def ratio(self, of: str, to: str) -> Ratio | None:
        """One library's over another's, round by round: median and quartiles; None where one is missing."""
        if of not in self.samples or to not in self.samples:
            return None
        ratios = np.divide(self.samples[of].values, self.samples[to].values)
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        return Ratio(float(middle), float(low), float(high))

    def value(self, name: str, unit: Unit) -> str:
        """The value of one library as a table shows it, or why it has none."""
        return f"{self.samples[name].middle * unit.scale:.3g}" if name in self.samples else self.wrong.get(name, "")

    def disturbed(self, *names: str) -> bool:
        """Whether something else ran in a round of one of these."""
        return any(self.samples[name].disturbed for name in names if name in self.samples)

    def as_json(self, first: str, unit: Unit) -> dict[str, Any]:
        """Everything that a later comparison needs."""
        entry: dict[str, Any] = {"case": self.case, "wrong": self.wrong, "libraries": {}}
        for name, samples in self.samples.items():
            ratio = self.ratio(first, name)
            entry["libraries"][name] = {
                f"median_{unit.name}": _to_four_digits(samples.middle * unit.scale),
                f"quartiles_{unit.name}": [_to_four_digits(t * unit.scale) for t in samples.quartiles],
                "samples": len(samples.values),
                "disturbed": samples.disturbed,
                f"{first}_over_this": ratio and tuple(map(_to_four_digits, ratio)),
            }
        return entry


class Runs:
    """The same cases, measured once or several times, each time by new processes.

    Args:
        runs: the rows of each run, of the same cases in the same order.
        names: the libraries; the first is the one that the others are compared with.
        unit: of the values.
    """

    def __init__(self, runs: Sequence[Sequence[Row]], names: Sequence[str], unit: Unit) -> None:
        self.runs, self.names, self.unit = runs, names, unit

    @property
    def cases(self) -> list[str]:
        """Those that every run has."""
        return [rows[0].case for rows in zip(*self.runs)]

    def rows(self, case: str) -> list[Row]:
        """One of each run."""
        return [row for rows in self.runs for row in rows if row.case == case]

    def ratio(self, case: str, to: str) -> Ratio | None:
        """Of a single run its own, with quartiles; of several the median of theirs, with the least and the greatest;
        None where one is missing."""
        found = [row.ratio(self.names[0], to) for row in self.rows(case)]
        ratios = [ratio for ratio in found if ratio is not None]
        if not ratios or len(ratios) < len(found):
            return None
        if len(ratios) == 1:
            return ratios[0]
        middles = [ratio.middle for ratio in ratios]
        return Ratio(median(middles), min(middles), max(middles))

    def value(self, case: str, name: str) -> str:
        """The median over the runs as a table shows it, or why there is none."""
        rows = self.rows(case)
        if any(name not in row.samples for row in rows):
            return next((row.wrong[name] for row in rows if name in row.wrong), "")
        return f"{median(row.samples[name].middle for row in rows) * self.unit.scale:.3g}"

    def cell(self, case: str, to: str, spread: bool = True) -> str:
        """The ratio as a table shows it, * where something else ran meanwhile, or why there is none."""
        ratio = self.ratio(case, to)
        if ratio is None:
            return next((row.wrong[to] for row in self.rows(case) if to in row.wrong), "")
        shown = str(ratio) if spread else f"{ratio.middle:.2f}"
        return f"{shown}{'*' if any(row.disturbed(self.names[0], to) for row in self.rows(case)) else ''}"

    def as_json(self) -> dict[str, Any]:
        """Every run, and of several how far each ratio went."""
        first = self.names[0]
        content: dict[str, Any] = {"runs": [[row.as_json(first, self.unit) for row in rows] for rows in self.runs]}
        if len(self.runs) > 1:
            content["spread"] = {
                case: {name: ratio._asdict() for name in self.names[1:] if (ratio := self.ratio(case, name))}
                for case in self.cases
            }
        return content

    @property
    def remark(self) -> str:
        """What a table's title says of its stars, where there are any."""
        starred = any(row.disturbed(*self.names) for rows in self.runs for row in rows)
        return "; * something else ran meanwhile" if starred else ""

    @property
    def wrong(self) -> bool:
        """Whether a library computed something else, or nothing."""
        return any(row.wrong for rows in self.runs for row in rows)
