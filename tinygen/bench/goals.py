"""What the project aims at on the CPU, and the rows that fall short of it, each with its measured bound.

The bound is the ratio that would be left if the floor of floors.py were met: no engine comes below it on this machine
with the same algorithms. Held by tests/bench/test_bench_goals.py.
"""

from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple

from tinygen.bench.floors import Floor
from tinygen.bench.operations import OPERATIONS
from tinygen.bench.report import Section
from tinygen.bench.result import Ratio, Runs
from tinygen.bench.tried import PARAGRAPH

AS_INSTALLED, TUNED = "torch", "torch, malloc tuned"
STEPS = {
    "VAE": {AS_INSTALLED: 0.60, TUNED: 0.80},
    "DCGAN": {AS_INSTALLED: 0.50, TUNED: 0.55},
    "DDPM": {AS_INSTALLED: 0.40, TUNED: 0.45},
    "RealNVP": {AS_INSTALLED: 0.50, TUNED: 0.55},
    "VQ-VAE": {AS_INSTALLED: 0.45, TUNED: 0.50},
}
"""Time of a training step over PyTorch's."""
OPERATION, ENGINE, MEMORY = 1.1, 0.5, 1.0
"""Of any operation, of the engine itself on tiny arrays, and of peak memory."""
STARTUP = {"cold": 15.0, "warm": 1.0}
"""Seconds from the start of a process to the end of its first training step."""
BOTH_SIDES = "on both sides of it"
"""What is said of a row that no paragraph is about, and of which some rounds meet the goal."""
OF_ENGINE = {operation.name for operation in OPERATIONS if operation.engine}

Goal = Callable[[str, str], float | None]


def of_time(case: str, library: str) -> float | None:
    """The greatest ratio of a time that is aimed at."""
    if library not in (AS_INSTALLED, TUNED):
        return None
    if case in STEPS:
        return STEPS[case][library]
    return ENGINE if case in OF_ENGINE else OPERATION


def of_memory(case: str, library: str) -> float | None:
    """The greatest ratio of peak memory that is aimed at, of a training step."""
    return MEMORY if library in (AS_INSTALLED, TUNED) and case in STEPS else None


def of_startup(case: str) -> float:
    """The most seconds that a start is to take: of "DDPM, cold" and its like."""
    return STARTUP[case.rpartition(", ")[2]]


class Miss(NamedTuple):
    """A row that falls short: of what goal, over which library, and the ratio that it has."""

    case: str
    other: str
    wanted: float
    ratio: Ratio


def missed(runs: Runs, goal: Goal) -> list[Miss]:
    """The rows that fall short, in their order."""
    found = []
    for case in runs.cases:
        for other in runs.names[1:]:
            wanted, ratio = goal(case, other), runs.ratio(case, other)
            if wanted is not None and ratio is not None and ratio.middle > wanted:
                found.append(Miss(case, other, wanted, ratio))
    return found


def short(runs: Runs, goal: Goal, floors: Mapping[str, Floor] | None = None) -> Section | None:
    """The rows that fall short: goal, ratio, where there is a floor the ratio at it, and the paragraph that says why.

    Where there is no paragraph, and quartiles or runs lie on both sides of the goal, it says so. None: all are met.
    """
    cells = []
    for case, other, wanted, ratio in missed(runs, goal):
        floor = None if floors is None else floors.get(case)
        bound = ["", "", ""]
        if floor is not None:
            share = floor.seconds / median(row.samples[runs.names[0]].middle for row in runs.rows(case))
            bound = [f"{ratio.middle * share:.2f}", floor.made_of, f"{share:.0%}"]
        why = PARAGRAPH.get(case, "" if ratio.low > wanted else BOTH_SIDES)
        cells.append([case, other, f"{wanted:.2f}", str(ratio), *bound, why])
    header = ["short of its goal", "over", "goal", "is", "at its floor", "made of", "of it", "why"]
    if floors is None:
        header, cells = header[:4], [line[:4] for line in cells]
    return Section(header, cells) if cells else None


def late(runs: Runs, least: Mapping[str, float]) -> Section | None:
    """The starts that take longer than they are to: seconds, the `least` they could take, and the paragraph that says
    why. None where all are met."""
    taken = {case: median(row.samples[runs.names[0]].middle for row in runs.rows(case)) for case in runs.cases}
    cells = [
        [case, f"{of_startup(case):.3g}", f"{seconds:.3g}", f"{least[case]:.3g}", PARAGRAPH.get(case, "")]
        for case, seconds in taken.items()
        if seconds > of_startup(case)
    ]
    return Section(["short of its goal", "goal, s", "is, s", "at least, s", "why"], cells) if cells else None
