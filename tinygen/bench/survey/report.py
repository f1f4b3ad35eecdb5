"""The survey as a table, a line for each operation, and as a picture: how many operations have which ratio."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygen.bench.report import TOO_SLOW, Report, bare, colour, in_plain_numbers
from tinygen.bench.result import Runs
from tinygen.bench.survey.entry import FORMS, SAID, Entry

NAMED = 10
"""Operations that a panel of the picture names: those with the greatest ratios."""


def of_survey(entries: Sequence[Entry], runs: Runs) -> Report:
    """A line for each entry, a column for each form, and in it the ratios over the other libraries.

    Args:
        runs: of the rows that the entries give.
    """
    first, *others = runs.names

    def cell(entry: Entry, form: str) -> str:
        found = [runs.cell(entry.row(form), other, spread=False) for other in others]
        return " / ".join(found) if any(found) else ""

    def colours(row: int, column: int) -> str | None:
        if not column or not cells[row][column]:
            return None
        ratios = [runs.ratio(entries[row].row(FORMS[column - 1]), other) for other in others]
        return colour(max((ratio for ratio in ratios if ratio is not None), default=None))

    cells = [[entry.name, *(cell(entry, form) for form in FORMS)] for entry in entries]
    return Report(
        ["", *FORMS],
        cells,
        colours,
        f"Time of {first} over that of {' / '.join(others)}, for {SAID}{runs.remark}",
        runs.as_json(),
        lambda figure: draw(figure, entries, runs),
        7.0,
        runs.wrong,
    )


def draw(figure: Any, entries: Sequence[Entry], runs: Runs) -> None:
    """A panel for each form: operations in the order of their ratios, a curve for each library; the last are named."""
    first, *others = runs.names
    for form, axes in zip(FORMS, figure.subplots(2, 2, sharex=True).flat):
        axes.axvline(1.0, color="#8a919b", linewidth=1)
        for k, other in enumerate(others):
            found = [(ratio.middle, entry.name) for entry in entries if (ratio := runs.ratio(entry.row(form), other))]
            ratios = sorted(found)
            slow = sum(ratio > TOO_SLOW for ratio, _ in ratios)
            label = f"over {other}: {slow} of {len(ratios)} above {TOO_SLOW}"
            axes.plot([ratio for ratio, _ in ratios], np.arange(1, len(ratios) + 1), ".", markersize=3, label=label)
            if k == len(others) - 1:
                worst = "\n".join(f"{name} {ratio:.1f}" for ratio, name in ratios[::-1][:NAMED] if ratio > TOO_SLOW)
                axes.text(0.98, 0.04, worst, transform=axes.transAxes, fontsize=6, ha="right", va="bottom")
        axes.set(xscale="log")
        axes.set_title(form, fontsize=9, loc="left")
        axes.grid(axis="x", color="#e3e6ea", linewidth=0.7)
        if others:
            axes.legend(frameon=False, fontsize=6, loc="upper left")
        in_plain_numbers(axes.xaxis, *axes.get_xlim())
        bare(axes)
    figure.supxlabel(f"{first} over another (below 1: better)", fontsize=8)
    figure.supylabel("operations", fontsize=8)
