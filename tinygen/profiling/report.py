"""A profile as tables for the terminal, and as JSON. All figures are of one step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygen.profiling.ceilings import Ceilings
from tinygen.profiling.profile import PARTS, ModuleTime, Operation, Profile, Rated

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 20
"""Rows of the table of operations; the others are added up in one."""
NEAR = 0.7
"""Of a ceiling: more is shown in green."""
LEAST = 0.01
"""Share of the step: modules that take less are left out of the table."""
WIDE = 112
"""Columns of a terminal: a narrower one is shown no `RATES`."""

RATES = ("MB", "GFLOP/s", "GB/s")

HOW_TO_READ = (
    "How to read it: begin with the greatest shares. An operation is limited by memory or by arithmetic, whichever it "
    "would meet first; near 100 % it cannot be faster, only called less or given less. Far below, the arrays are small "
    "or the kernel is poor. GFLOP/s are those of the formula: Winograd's convolution does with fewer, which its limit "
    "takes into account. If Python and the tape take much, the arrays are too small for the machine: a larger batch "
    "costs little. docs/profile.md goes through an example."
)


def tables(found: Profile, title: str = "", width: int = WIDE) -> list[Any]:
    """What `tinygen profile` prints, one below the other, in a terminal of `width` columns."""
    ceilings, rates = found.ceilings, RATES if width >= WIDE else ()
    shown = [summary(found, title), of_operations(found, ceilings, rates)]
    if found.model is not None:
        shown.append(of_modules(found, rates))
    return [*shown, HOW_TO_READ]


def summary(found: Profile, title: str) -> str:
    """How the time of a step divides, and the ceilings."""
    share = lambda spent: f"{spent / found.steps * 1e3:.3g} ms ({spent / found.seconds:.0%})"
    parts = [f"{name} {share(spent)}" for name, spent in found.parts().items() if spent]
    parts += [f"Python and the tape {share(found.rest)}", f"the profile itself {share(found.watching)}"]
    number = "a step" if found.steps == 1 else f"a step (mean of {found.steps})"
    head = f"{title + ': ' if title else ''}{number} takes {found.seconds / found.steps * 1e3:.4g} ms"
    return f"{head}: {', '.join(parts)}\nCeilings, measured just now: {found.ceilings}"


def of_operations(found: Profile, ceilings: Ceilings, rates: Sequence[str]) -> "Table":
    """The table of operations, with the columns `rates`."""
    rows = found.operations()
    table = _table("operation", "part", "calls", "ms", "share", *rates, "limit", "reached")
    for row in rows[:SHOWN]:
        cells = [row.name, row.part, *_counted(row.calls, row.seconds, found)]
        table.add_row(*cells, *_rates(row, found)[: len(rates)], *_limit(row, ceilings))
    if rows[SHOWN:]:
        spent, calls = sum(r.seconds for r in rows[SHOWN:]), sum(r.calls for r in rows[SHOWN:])
        table.add_row(f"{len(rows) - SHOWN} others", "", *_counted(calls, spent, found))
    table.add_row("Python and the tape", "", "", *_counted(0, found.rest, found)[1:])
    return table


def _counted(calls: int, spent: float, found: Profile) -> list[str]:
    return [f"{calls / found.steps:.3g}", f"{spent / found.steps * 1e3:.3g}", f"{spent / found.seconds:.1%}"]


def _rates(row: Rated, found: Profile) -> list[str]:
    rates = [f"{row.cost.bytes / found.steps / 1e6:.3g}", f"{row.flop_rate / 1e9:.3g}", f"{row.bandwidth / 1e9:.3g}"]
    return rates if row.cost.bytes or row.cost.flop else []


def _limit(row: Operation, ceilings: Ceilings) -> list[str]:
    limit, reached = row.limit(ceilings)
    colour = "green" if reached >= NEAR else "yellow" if reached >= NEAR / 2 else "red"
    return [limit, f"[{colour}]{reached:.0%}[/{colour}]"] if row.cost.bytes or row.cost.flop else []


def of_modules(found: Profile, rates: Sequence[str]) -> "Table":
    """The tree of modules, each with all below it, and the columns `rates`; those that hardly count are left out."""
    table = _table("module", "", "calls", *(f"{part} ms" for part in PARTS[:2]), "own ms", "share", *rates)
    for row in found.modules():
        if row.seconds >= LEAST * found.seconds:
            name = row.path.rpartition(".")[2] or "the model"
            indent = "  " * (row.path.count(".") + bool(row.path))
            spent = [f"{t / found.steps * 1e3:.3g}" for t in (*list(row.total.values())[:2], sum(row.own.values()))]
            calls, share = f"{row.calls / found.steps:.3g}", f"{row.seconds / found.seconds:.1%}"
            table.add_row(indent + name, row.kind, calls, *spent, share, *_rates(row, found)[: len(rates)])
    return table


def _table(*columns: str) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, collapse_padding=True, pad_edge=False)
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
        "ceilings": found.ceilings.content(),
        "operations": [_operation(row, found) for row in found.operations()],
        "modules": [_module(row, found) for row in found.modules()],
        "timeline": {
            "columns": ["operation", "what", "part", "module", "start", "stop"],
            "rows": [[*e[:4], (e.start - begin) / 1e9, (e.stop - begin) / 1e9] for e in events],
        },
    }


def _operation(row: Operation, found: Profile) -> dict[str, Any]:
    calls, seconds = row.calls / found.steps, row.seconds / found.steps
    limit, reached = row.limit(found.ceilings)
    figures = {"calls": calls, "seconds": seconds, **_cost(row, found), "limit": limit, "reached": reached}
    return {"operation": row.name, "part": row.part, **figures}


def _module(row: ModuleTime, found: Profile) -> dict[str, Any]:
    own, total = ({part: spent / found.steps for part, spent in times.items()} for times in (row.own, row.total))
    calls = row.calls / found.steps
    return {"path": row.path, "kind": row.kind, "calls": calls, "own": own, "total": total, **_cost(row, found)}


def _cost(row: Rated, found: Profile) -> dict[str, float]:
    return {"flop": row.cost.flop / found.steps, "bytes": row.cost.bytes / found.steps}
