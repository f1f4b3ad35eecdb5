"""Rows as they are finished, in a file beside the table to come: an interrupted measurement goes on from them.

A line of JSON for each case; the first says what is measured, on what. A ratio is made within a round, and a case has
all its rounds in one go: rows of several sessions stand beside one another as rows of one do.
Held by tests/bench/test_bench_kept.py.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tinygen.bench.result import Row, Samples

Make = Callable[[], list[Row]]
Keep = Callable[[str, Make], list[Row]]
"""Gives the rows of a case, which `Make` measures if that is still to be done."""


def at_once(case: str, make: Make) -> list[Row]:
    """Measured, and kept nowhere."""
    return make()


class CannotResume(ValueError):
    """There is nothing to go on from, or something else: one line."""


class Kept:
    """The rows of one measurement.

    Args:
        path: the file; there while the measurement is not finished.
        about: what is measured, and what a figure must be quoted with: rows with another are not mixed with these.
        resume: whether to go on from the rows that the file has, rather than anew.
        told: is told each case, when its rows are there.

    Raises:
        CannotResume: there is no such file, or what it has is of another `about`.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any],
        resume: bool = False,
        told: Callable[[str], None] = lambda case: None,
    ) -> None:
        self.path, self.told = path, told
        self.found: dict[str, list[Row]] = {}
        if resume:
            self._read(about)
        else:
            path.write_text(json.dumps(about) + "\n")

    def _read(self, about: Mapping[str, Any]) -> None:
        if not self.path.exists():
            raise CannotResume(f"there is no {self.path} to go on from")
        whole = self.path.read_text()
        end = whole.rfind("\n") + 1  # a line that was being written when the process was killed has none
        try:
            was, *entries = [dict(json.loads(line)) for line in whole[:end].splitlines()]
        except (ValueError, TypeError):
            raise CannotResume(f"{self.path} is no file of such rows") from None
        other = sorted(key for key in was.keys() | about.keys() if was.get(key) != about.get(key))
        if other:
            said = "; ".join(f"{key} was {was.get(key)}, is {about.get(key)}" for key in other)
            raise CannotResume(f"{self.path} is of another measurement ({said})")
        with self.path.open("a") as file:
            file.truncate(len(whole[:end].encode()))
        for entry in entries:
            self.found[entry["key"]] = [_row(row) for row in entry["rows"]]

    def of(self, part: str | int) -> Keep:
        """What keeps the rows of one part of the measurement, such as one of several runs."""
        return partial(self._rows, part)

    def _rows(self, part: str | int, case: str, make: Make) -> list[Row]:
        key = f"{part}: {case}"
        if key not in self.found:
            self.found[key] = make()
            with self.path.open("a") as file:
                file.write(json.dumps({"key": key, "rows": [asdict(row) for row in self.found[key]]}) + "\n")
        self.told(case)
        return self.found[key]

    def finish(self) -> None:
        """All is measured and written elsewhere: the file goes."""
        self.path.unlink()


def _row(entry: dict[str, Any]) -> Row:
    samples = {name: Samples(**found) for name, found in entry["samples"].items()}
    return Row(entry["case"], samples, entry["wrong"])
