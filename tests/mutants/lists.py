"""All lists of mutants: the files of_<family>.py beside this one, each with its MUTANTS."""

import importlib
from pathlib import Path

from mutant import Mutant

HERE = Path(__file__).resolve().parent
FIRST = "of_implementations"


def lists() -> dict[str, list[Mutant]]:
    """Title of each list (the first line of its file, without the full stop) -> its mutants."""
    names = sorted((path.stem for path in HERE.glob("of_*.py")), key=lambda name: (name != FIRST, name))
    modules = [importlib.import_module(name) for name in names]
    return {(m.__doc__ or m.__name__).split("\n")[0].rstrip("."): m.MUTANTS for m in modules}
