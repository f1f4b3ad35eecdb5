"""Typical mistakes of CUDA, for the project's own kernels: one file a module whose exercise is to find them."""

import importlib
from pathlib import Path

from planted.bug import Bug

BUGS: list[Bug] = [
    bug
    for path in sorted(Path(__file__).parent.glob("of_*.py"))
    for bug in importlib.import_module(f"planted.{path.stem}").BUGS
]
