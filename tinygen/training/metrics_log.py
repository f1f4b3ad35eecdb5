"""metrics.jsonl: one JSON object a line, in the order of steps, and the window each line is the mean of.

On resume the file is cut back to the step of the checkpoint, so that a run that was killed ends with the same
lines as one that was not, timings aside. A last line that a kill left unfinished is dropped.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from tinygen.files import write_atomically


class Window:
    """Sums of each figure since the last line; part of the checkpoint, as lists that JSON keeps exactly."""

    def __init__(self, sums: Mapping[str, list[float]] | None = None) -> None:
        self.sums: dict[str, list[float]] = {name: list(pair) for name, pair in (sums or {}).items()}

    def add(self, figures: Mapping[str, float]) -> None:
        """Count one step's figures."""
        for name, value in figures.items():
            pair = self.sums.setdefault(name, [0.0, 0])
            pair[0] += float(value)
            pair[1] += 1

    def means(self) -> dict[str, float]:
        """The mean of each figure over the steps that reported it; empties the window."""
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        return means


class MetricsLog:
    """An open metrics.jsonl, to append to."""

    def __init__(self, path: Path, after: int) -> None:
        """Open `path`, keeping only the lines of the first `after` steps. Raises OSError."""
        self.path = Path(path)
        kept = [record for record in read(self.path) if record["step"] <= after]
        if self.path.exists():
            write_atomically(self.path, "".join(map(_line, kept)))
        self._file: IO[str] = self.path.open("a")

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line, which a reader sees at once. Raises OSError."""
        self._file.write(_line(record))
        self._file.flush()

    def synchronise(self) -> None:
        """Wait until all lines have reached the disk: before a checkpoint that counts on them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics.jsonl, without lines that are no record; [] if there is no file."""
    records = []
    try:
        text = Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "step" in record:
            records.append(record)
    return records


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"
