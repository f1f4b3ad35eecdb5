"""`tinygen list`: the models there are, a line each."""

from collections.abc import Sequence
from dataclasses import dataclass

from tinygen.cli.options import parse
from tinygen.training.registry import MODELS, summary


@dataclass(frozen=True)
class ListOptions:
    """The models there are."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code."""
    parse(ListOptions, args, "tinygen list", "The models there are.")
    width = max(map(len, MODELS))
    for name in MODELS:
        print(f"{name:<{width}}  {summary(name)}")
    return 0
