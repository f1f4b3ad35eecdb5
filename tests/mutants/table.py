"""The kill table: `python tests/mutants/table.py` plants all mutants, prints what failed and writes docs/mutants.md."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from lists import lists
from mutant import ROOT, Mutant
from planting import Finding, survives, trial

DOCUMENT = ROOT / "docs" / "mutants.md"
COLUMNS = ("mistake", "planted in", "check that fails", "measured", "exact")
HEAD = """# Mutants: mistakes that the checks find

Each line is a mistake that somebody could make, planted by itself in the file named, and a check of `tinygen verify`
that fails under it: what it measured with the mistake in place, beside the exact value. The first list is of mistakes
that well-known implementations have made. Every check of the registry is in the table at least once.

Written by `python tests/mutants/table.py`; the test suite plants them all again (`pytest tests/mutants`).
"""

Row = tuple[str, ...]


def keys(mutant: Mutant) -> list[Row]:
    """The columns that say what a mutant is, one row for each check that it is killed by."""
    return [(mutant.mistake, f"`{mutant.file}`", f"`{name}`") for name in mutant.checks]


def row(key: Row, finding: Finding) -> Row:
    """All columns: where a check raised, what it said stands in place of what it measured."""
    if not finding.failed:
        return (*key, "**survives**", finding.fault)
    return (*key, _cell(finding.measured), finding.exact)


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")
    return text if len(text) <= 100 else text[:99] + "…"


def document(tables: dict[str, list[Row]]) -> str:
    """The kill table in Markdown."""
    parts = [HEAD]
    for title, rows in tables.items():
        lines = ["| " + " | ".join(cells) + " |" for cells in (COLUMNS, ("---",) * len(COLUMNS), *rows)]
        parts.append(f"\n## {title}\n\n" + "\n".join(lines) + "\n")
    return "".join(parts)


def main() -> int:
    """Prints and writes the table; 1 when a mutant survives."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    tables: dict[str, list[Row]] = {}
    survivors: list[str] = []
    count = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for title, mutants in lists().items():
            table = Table(*COLUMNS, title=title, title_justify="left")
            tables[title] = []
            for mutant, findings in zip(mutants, pool.map(trial, mutants)):
                count += 1
                survivors += [f"{mutant.mistake}: {line}" for line in survives(mutant, findings)]
                for key, finding in zip(keys(mutant), findings):
                    tables[title].append(row(key, finding))
                    table.add_row(*map(escape, tables[title][-1]))
            console.print(table)
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(tables), encoding="utf-8")
    console.print(f"{count} mutants; {len(survivors)} checks held that should have failed; {DOCUMENT.name} written")
    for line in survivors:
        console.print(line, markup=False)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
