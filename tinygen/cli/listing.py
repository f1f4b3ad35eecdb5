"""`tinygen list`: the models there are by family, a line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tinygen.cli.options import parse
from tinygen.training.registry import MODELS, family, summary


@dataclass(frozen=True)
class ListOptions:
    """The models there are."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code."""
    parse(ListOptions, args, "tinygen list", "The models there are.")
    width = max(map(len, MODELS))
    for room, names in groupby(MODELS, family):
        print(room)
        for name in names:
            print(f"  {name:<{width}}  {summary(name)}")
    return 0
