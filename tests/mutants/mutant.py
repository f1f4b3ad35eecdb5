"""What a mutant is: one mistake planted in one file, and the checks of the registry that must fail under it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    """`old`, which occurs once in `file` (a path from the root), becomes `new`; each check in `killed_by` fails."""

    mistake: str
    file: str
    old: str
    new: str
    killed_by: str

    @property
    def checks(self) -> list[str]:
        """The names in `killed_by`, which spaces separate."""
        return self.killed_by.split()

    def planted(self) -> str:
        """The source of the file with the mistake in it.

        Raises:
            ValueError: `old` does not occur exactly once.
        """
        source = (ROOT / self.file).read_text(encoding="utf-8")
        if source.count(self.old) != 1:
            raise ValueError(
                f"{self.mistake}: {self.old!r} occurs {source.count(self.old)} times in {self.file}, not 1"
            )
        return source.replace(self.old, self.new)
