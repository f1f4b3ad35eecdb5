"""The kill table: `python tests/mutants/table.py` plants all mutants, prints what failed and writes docs/mutants.md."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

from lists import lists
from mutant import ROOT, Mutant
from planting import Finding, survives, trial

DOCUMENT = ROOT / "docs" / "mutants.md"
COLUMNS = ("mistake", "planted in", "check that fails", "what it measured", "measured", "exact")
HEAD = """# Mutants: mistakes that the checks find

Each line is a mistake that somebody could make, planted by itself in the file named, and a check of `tinygen verify`
that fails under it: its first measurement that does not hold with the mistake in place, beside the exact value. The
first list is of mistakes that well-known implementations have made. Every check is in the table at least once.

Written by `python tests/mutants/table.py`; the test suite plants them all again (`pytest tests/mutants`).
"""

Row = tuple[str, ...]


def keys(mutant: Mutant) -> list[Row]:
    """What a mutant is, in one row for each check that it is killed by; the mistake stands in the first."""
    planted = (_cell(mutant.mistake), f"`{mutant.file}`")
    return [(*(("", "") if i else planted), f"`{name}`") for i, name in enumerate(mutant.checks)]


def row(key: Row, finding: Finding) -> Row:
    """All columns: where a check raised, what it said stands in place of what it measured."""
    if not finding.failed:
        return (*key, "**survives**", _cell(finding.fault), "")
    return (*key, _cell(finding.what), _cell(finding.measured), finding.exact)


def _cell(text: str) -> str:
    """One line of Markdown's table: no character that it takes for its own."""
    text = text if len(text) <= 90 else text[:89] + "…"
    return re.sub(r"([|*_<])", r"\\\1", text)


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
            table = Table("mistake", "check that fails", "measured", "exact", title=title, title_justify="left")
            tables[title] = []
            for mutant, findings in zip(mutants, pool.map(trial, mutants)):
                count += 1
                survivors += [f"{mutant.mistake}: {line}" for line in survives(mutant, findings)]
                tables[title] += [row(key, finding) for key, finding in zip(keys(mutant), findings)]
                for finding in findings:
                    name = mutant.mistake if finding is findings[0] else ""
                    said = finding.measured if finding.failed else f"SURVIVES: {finding.fault or 'holds'}"
                    table.add_row(*map(escape, (name, finding.check, said, finding.exact)))
            console.print(table)
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(tables), encoding="utf-8")
    console.print(f"{count} mutants; {len(survivors)} checks held that should have failed; {DOCUMENT.name} written")
    for line in survivors:
        console.print(line, markup=False)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
