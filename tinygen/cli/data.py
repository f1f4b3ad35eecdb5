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
    from rich.console import Console
    from rich.table import Table

    from tinygen.data import describe

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "kind", "what", "where", "how to get it"):
        table.add_column(heading, overflow="fold")
    for row in describe():
        table.add_row(*row)
    Console().print(table)
    return 0
