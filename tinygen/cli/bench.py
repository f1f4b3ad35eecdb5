"""`tinygen bench [WHAT ...]`: operations and training steps beside other libraries, on this machine, in one run."""

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tinygen.cli.options import parse
from tinygen.training.contract import RunError, UsageError


@dataclass(frozen=True)
class BenchOptions:
    """Time operations and training steps beside other libraries."""

    what: tyro.conf.Positional[tuple[str, ...]] = ()
    """Cases, by a part of their names, such as conv or DDPM; all when none is given."""
    against: tuple[str, ...] = ("torch", "torch, malloc tuned")
    """Libraries to compare with, where they are installed; --list names all."""
    rounds: int = 7
    """Samples of each."""
    seconds: float = 0.3
    """Length of a sample."""
    threads: int = os.cpu_count() or 1
    """Threads of every library."""
    list: bool = False
    """Name the cases and the libraries, and stop."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs/bench")
    """Folder for bench.md, bench.json and bench.png."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code: 1 when a library computes something else."""
    options = parse(BenchOptions, args, "tinygen bench", "Time operations and training steps beside other libraries.")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from tinygen.bench.backends import BACKENDS
    from tinygen.bench.interleave import BenchError, measure
    from tinygen.bench.machine import description
    from tinygen.bench.operations import OPERATIONS
    from tinygen.bench.result import Row, markdown, save_picture, table
    from tinygen.bench.steps import STEPS
    from tinygen.files import replacing, write_atomically
    from tinygen.training.registry import unknown

    cases = [*STEPS, *(operation.name for operation in OPERATIONS)]
    if options.list:
        print("\n".join(["cases", *(f"  {case}" for case in cases), "libraries", *(f"  {name}" for name in BACKENDS)]))
        return 0
    for name, least in {"rounds": 1, "seconds": 0, "threads": 1}.items():
        if not getattr(options, name) >= least:
            raise UsageError(f"--{name} is at least {least}, not {getattr(options, name)}")
    for name in options.against:
        if name not in BACKENDS:
            raise UsageError(unknown("library", name, BACKENDS, "tinygen bench --list"))
    chosen = [case for case in cases if not options.what or any(part.lower() in case.lower() for part in options.what)]
    for part in options.what:
        if not any(part.lower() in case.lower() for case in cases):
            raise UsageError(unknown("case", part, cases, "tinygen bench --list"))
    backends = [BACKENDS["tinygen"], *(BACKENDS[name] for name in options.against)]
    absent = {b.package for b in backends if importlib.util.find_spec(b.package) is None}
    if absent:
        print(f"not installed, so not compared with: {', '.join(sorted(absent))}", file=sys.stderr)
    backends = [backend for backend in backends if backend.package not in absent]
    names = [backend.name for backend in backends]
    machine = description(options.threads)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    rows: list[Row] = []
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(chosen[0], total=len(chosen))

            def done(row: Row) -> None:
                rows.append(row)
                following = chosen[len(rows)] if len(rows) < len(chosen) else ""
                progress.update(task, advance=1, description=following)

            measure(chosen, backends, options.threads, options.rounds, options.seconds, done=done)
    except BenchError as error:
        raise RunError(str(error)) from error
    except KeyboardInterrupt:
        print("stopped; what is finished follows", file=sys.stderr)
    title = "Median of each sample, and time over the other's, with quartiles; * something else ran meanwhile"
    console.print(table(rows, names, title))
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine, "rows": [row.as_json(names[0]) for row in rows]}
        write_atomically(options.out / "bench.json", json.dumps(content, indent=1))
        about = ", ".join(f"{key} {value}" for key, value in machine.items())
        write_atomically(options.out / "bench.md", f"{about}\n\n{markdown(rows, names)}")
        with replacing(options.out / "bench.png") as temporary:
            save_picture(temporary, rows, names)
    except OSError as error:
        raise RunError(f"{options.out} cannot be written: {error.strerror or error}") from error
    print("  ".join(str(options.out / f"bench.{kind}") for kind in ("md", "json", "png")))
    return 1 if any(row.wrong for row in rows) else 0
