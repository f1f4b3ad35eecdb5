"""A profile as tables for the terminal, and as JSON. All figures are of one step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygen.profiling.ceilings import Ceilings
from tinygen.profiling.profile import PARTS, ModuleTime, Operation, Profile

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 20
"""Rows of the table of operations; the others are added up in one."""
NEAR = 0.7
"""Of a ceiling: more is shown in green."""
LEAST = 0.01
"""Share of the step: modules that take less are left out of the table."""

HOW_TO_READ = (
    "How to read it: begin with the greatest shares. An operation is limited by memory or by arithmetic, whichever it "
    "would meet first; near 100 % it cannot be faster, only called less or given less. Above 100 % the arrays lay in a "
    "cache, or an algorithm saves multiplications (Winograd's convolution). Far below, the arrays are small or the "
    "kernel is poor. If Python and the tape take much, the arrays are too small for the machine: a larger batch costs "
    "little. docs/profile.md goes through an example."
)


def tables(found: Profile, title: str = "") -> list[Any]:
    """What `tinygen profile` prints, one below the other."""
    ceilings = found.ceilings
    shown = [summary(found, title), of_operations(found, ceilings)]
    if found.model is not None:
        shown.append(of_modules(found))
    return [*shown, HOW_TO_READ]


def summary(found: Profile, title: str) -> str:
    """How the time of a step divides, and the ceilings."""
    share = lambda spent: f"{spent / found.steps * 1e3:.3g} ms ({spent / found.seconds:.0%})"
    parts = [f"{name} {share(spent)}" for name, spent in found.parts().items() if spent]
    parts += [f"Python and the tape {share(found.rest)}", f"the profile itself {share(found.watching)}"]
    ceilings, number = found.ceilings, "a step" if found.steps == 1 else f"a step (mean of {found.steps})"
    head = f"{title + ': ' if title else ''}{number} takes {found.seconds / found.steps * 1e3:.4g} ms"
    return (
        f"{head}: {', '.join(parts)}\n"
        f"Ceilings, measured just now: copying {ceilings.bandwidth / 1e9:.3g} GB/s, "
        f"multiplying matrices {ceilings.flop_rate / 1e9:.4g} GFLOP/s ({ceilings.dtype})"
    )


def of_operations(found: Profile, ceilings: Ceilings) -> "Table":
    """The table of operations."""
    rows = found.operations()
    table = _table("operation", "part", "calls", "ms", "share", "MB", "GFLOP/s", "GB/s", "limit", "reached")
    for row in rows[:SHOWN]:
        table.add_row(*_cells(row, found, ceilings))
    if rows[SHOWN:]:
        spent, calls = sum(r.seconds for r in rows[SHOWN:]), sum(r.calls for r in rows[SHOWN:])
        table.add_row(f"{len(rows) - SHOWN} others", "", *_counted(calls, spent, found), *[""] * 5)
    table.add_row("Python and the tape", "", "", *_counted(0, found.rest, found)[1:], *[""] * 5)
    return table


def _counted(calls: int, spent: float, found: Profile) -> list[str]:
    return [f"{calls / found.steps:.3g}", f"{spent / found.steps * 1e3:.3g}", f"{spent / found.seconds:.1%}"]


def _cells(row: Operation, found: Profile, ceilings: Ceilings) -> list[str]:
    cells = [row.name, row.part, *_counted(row.calls, row.seconds, found)]
    if not row.cost.bytes and not row.cost.flop:
        return [*cells, *[""] * 5]
    limit, reached = row.limit(ceilings)
    colour = "green" if reached >= NEAR else "yellow" if reached >= NEAR / 2 else "red"
    rates = [f"{row.cost.bytes / found.steps / 1e6:.3g}", f"{row.flop_rate / 1e9:.3g}", f"{row.bandwidth / 1e9:.3g}"]
    return [*cells, *rates, limit, f"[{colour}]{reached:.0%}[/{colour}]"]


def of_modules(found: Profile) -> "Table":
    """The tree of modules, each with all below it; those that hardly count are left out."""
    table = _table("module", "", "calls", *(f"{part} ms" for part in PARTS[:2]), "share", "its own ms")
    for row in found.modules():
        total = sum(row.total.values())
        if total >= LEAST * found.seconds:
            name = row.path.rpartition(".")[2] or "the model"
            indent = "  " * (row.path.count(".") + bool(row.path))
            spent = [f"{row.total[part] / found.steps * 1e3:.3g}" for part in PARTS[:2]]
            own = f"{sum(row.own.values()) / found.steps * 1e3:.3g}"
            calls = f"{row.calls / found.steps:.3g}"
            table.add_row(indent + name, row.kind, calls, *spent, f"{total / found.seconds:.1%}", own)
    return table


def _table(*columns: str) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE)
    words = ("operation", "part", "module", "", "limit")
    for name in columns:
        table.add_column(name, justify="left" if name in words else "right", no_wrap=True)
    return table


def content(found: Profile) -> dict[str, Any]:
    """Everything, for JSON: seconds, FLOP and bytes of one step, and the events of the one of median length."""
    events = found.typical_step()
    begin = events[0].start if events else 0
    return {
        "steps": found.steps,
        "seconds": {
            "step": found.seconds / found.steps,
            **{part: spent / found.steps for part, spent in found.parts().items()},
            "python_and_tape": found.rest / found.steps,
            "profile": found.watching / found.steps,
        },
        "ceilings": {"bytes_per_second": found.ceilings.bandwidth, "flop_per_second": found.ceilings.flop_rate},
        "operations": [_operation(row, found) for row in found.operations()],
        "modules": [_module(row, found.steps) for row in found.modules()],
        "timeline": {
            "columns": ["operation", "what", "part", "module", "start", "stop"],
            "rows": [[*e[:4], (e.start - begin) / 1e9, (e.stop - begin) / 1e9] for e in events],
        },
    }


def _operation(row: Operation, found: Profile) -> dict[str, Any]:
    limit, reached = row.limit(found.ceilings)
    return {
        "operation": row.name,
        "part": row.part,
        "calls": row.calls / found.steps,
        "seconds": row.seconds / found.steps,
        "flop": row.cost.flop / found.steps,
        "bytes": row.cost.bytes / found.steps,
        "limit": limit,
        "reached": reached,
    }


def _module(row: ModuleTime, steps: int) -> dict[str, Any]:
    per_step: Sequence[dict[str, float]] = [
        {part: spent / steps for part, spent in times.items()} for times in (row.own, row.total)
    ]
    return {"path": row.path, "kind": row.kind, "calls": row.calls / steps, "own": per_step[0], "total": per_step[1]}
