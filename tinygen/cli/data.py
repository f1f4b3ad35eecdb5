"""`tinygen data`: the data sets there are, where they lie on this machine, and how to get them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinygen.cli.options import parse


@dataclass(frozen=True)
class DataOptions:
    """The data sets there are."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code."""
    parse(DataOptions, args, "tinygen data", "The data sets there are.")
    from tinygen.data import describe

    rows = describe()
    name, size = (max(len(getattr(row, column)) for row in rows) for column in ("name", "size"))
    for row in rows:
        how = "" if row.how == "nothing to do" else f"; {row.how}"
        print(f"{row.name:<{name}}  {row.kind:<6}  {row.size:<{size}}  {row.where}{how}")
    return 0
