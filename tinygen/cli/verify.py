"""`tinygen verify [FAMILY]`: every closed form, measured here and now; a table, and a page with the formulas."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from tinygen.cli.options import parse
from tinygen.training.contract import RunError, UsageError
from tinygen.training.registry import unknown

if TYPE_CHECKING:
    from rich.table import Table

    from tinygen.checks.outcome import Outcome
    from tinygen.checks.registry import Check


@dataclass(frozen=True)
class VerifyOptions:
    """Measure every closed form that the project is held to."""

    family: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[FAMILY]")] = None
    """One family, such as vae; all when it is not given."""
    out: Annotated[Path, tyro.conf.arg(metavar="HTML")] = Path("runs/verify.html")
    """Page to write, with the formulas, every measurement, and pictures."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code: 1 when a check fails."""
    options = parse(VerifyOptions, args, "tinygen verify", "Measure every closed form that the project is held to.")
    from tinygen.checks.page import render
    from tinygen.checks.registry import FAMILIES, checks
    from tinygen.files import write_atomically

    if options.family is not None and options.family not in FAMILIES:
        raise UsageError(unknown("family", options.family, FAMILIES, "tinygen verify --help"))
    if options.out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out is a page that ends in .html, not {options.out}")
    outcomes = measure(checks(options.family))
    failed = [outcome for outcome in outcomes if not outcome.holds]
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.out, render(outcomes, made_with()))
    except OSError as error:
        raise RunError(f"{options.out} cannot be written: {error.strerror or error}") from error
    for outcome in failed:
        for reason in outcome.failures:
            print(f"{outcome.check.name} fails: {reason}")
    said = f"{len(failed)} of {len(outcomes)} checks fail" if failed else f"all {len(outcomes)} checks hold"
    print(f"{said}; formulas, every measurement and pictures: {options.out}")
    return 1 if failed else 0


def measure(chosen: "Sequence[Check]") -> "list[Outcome]":
    """Run the checks, one table a family as it is done, and where it is on a terminal meanwhile."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from tinygen.checks.outcome import run as run_check
    from tinygen.checks.registry import FAMILIES

    console = Console(width=None if sys.stdout.isatty() else 120)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    outcomes: list[Outcome] = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(chosen))
        for family in FAMILIES:
            of_family = []
            for check in (check for check in chosen if check.family == family):
                progress.update(task, description=check.name)
                of_family.append(run_check(check))
                progress.advance(task)
            if of_family:
                progress.console.print(table(FAMILIES[family], of_family))
            outcomes += of_family
    return outcomes


def table(title: str, outcomes: "Sequence[Outcome]") -> "Table":
    """One row a check: what it claims, who says so, and its most strained measurement."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    found = Table(title=title.capitalize(), title_justify="left", title_style="bold", box=SIMPLE, expand=True)
    found.add_column("")
    found.add_column("statement", ratio=1)
    for name in ("exact", "measured", "error", "tolerance"):
        found.add_column(name, justify="right")
    for outcome in outcomes:
        check, worst = outcome.check, outcome.worst
        claim = Text.assemble((check.title, "bold"), f"  {check.name}\n{check.statement}\n", (check.source, "dim"))
        mark = Text("holds", "green") if outcome.holds else Text("FAILS", "bold red")
        values = (
            (f"{worst.exact:.6g}", f"{worst.measured:.6g}", f"{worst.error:.1e}", f"{worst.tolerance:.1e}")
            if worst is not None
            else ("",) * 4
        )
        found.add_row(mark, claim, *values)
    return found


def made_with() -> str:
    """Versions and machine, for the foot of the page."""
    import platform

    import numpy as np

    from tinygen import __version__

    machine = f"{platform.machine()}, {platform.system()}"
    return f"tinygen {__version__}, NumPy {np.__version__}, Python {platform.python_version()}, {machine}"
