"""What a planted mistake is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bug:
    """`old`, which occurs once in `file`, becomes `new`; the exercise of `module` says something like `sign`."""

    mistake: str
    file: str
    old: str
    new: str
    module: str
    sign: str

    def plant(self, sources: Path, folder: Path) -> None:
        """The CUDA sources, with the mistake, copied into `folder`."""
        for path in sources.glob("*.cu*"):
            (folder / path.name).write_text(path.read_text())
        text = (folder / self.file).read_text()
        assert text.count(self.old) == 1
        (folder / self.file).write_text(text.replace(self.old, self.new))
