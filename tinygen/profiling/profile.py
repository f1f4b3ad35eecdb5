"""`profile`: where the time goes of what runs within a block.

with tg.profile(model) as found:
    for batch in batches:
        train(batch)
        found.step()
found.show()
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tinygen.nn.module import Module
from tinygen.profiling import watch
from tinygen.profiling.ceilings import Ceilings, measure
from tinygen.profiling.cost import NOTHING, Cost
from tinygen.profiling.watch import Event, Watch

PARTS = ("forward", "backward", "update")


class Rated:
    """Something that took `seconds` and costs `cost`."""

    seconds: float
    cost: Cost

    @property
    def flop_rate(self) -> float:
        """FLOP a second."""
        return self.cost.flop / self.seconds if self.seconds else 0.0

    @property
    def bandwidth(self) -> float:
        """Bytes a second."""
        return self.cost.bytes / self.seconds if self.seconds else 0.0


@dataclass
class Operation(Rated):
    """All calls of one operation in one part of the step."""

    name: str
    part: str
    calls: int = 0
    seconds: float = 0.0
    costs: list[Cost] = field(default_factory=list)

    @property
    def cost(self) -> Cost:  # type: ignore[override]
        return sum(self.costs, NOTHING)

    def limit(self, ceilings: Ceilings) -> tuple[str, float]:
        """What bounds most of it, "memory" or "arithmetic", and its floor's share of the time: call by call."""
        parts = ceilings.floors(self.costs)
        return max(parts, key=parts.__getitem__), sum(parts.values()) / self.seconds if self.seconds else 0.0


@dataclass
class ModuleTime(Rated):
    """What a module computed, with all below it: seconds by parts, and those of its own."""

    path: str
    kind: str
    calls: int = 0
    own: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    total: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    cost: Cost = NOTHING

    @property
    def seconds(self) -> float:  # type: ignore[override]
        return sum(self.total.values())


class Profile:
    """What a profile found; complete when its block has ended. All figures are of the whole block: see `steps`.

    Attributes:
        seconds: the block's time, of which `watching` went into the profile itself.
        events: everything that was computed, in the order of time.
        recorded: how many nodes each operation put on the tape; `pulled`: of how many the gradient was computed.
    """

    def __init__(self, model: Module | None = None) -> None:
        self.model = model
        self.seconds = 0.0
        self._begin = 0
        self._marks: list[int] = []
        self._watch = Watch(model)

    def step(self) -> None:
        """A step ends here; the next one begins. Reports divide by the number of steps."""
        self._marks.append(watch.clock())

    @property
    def steps(self) -> int:
        """How many steps ended, 1 when none was said to."""
        return len(self._marks) or 1

    @property
    def events(self) -> list[Event]:
        return self._watch.events

    @property
    def recorded(self) -> dict[str, int]:
        return self._watch.recorded

    @property
    def pulled(self) -> dict[str, int]:
        return self._watch.pulled

    @property
    def watching(self) -> float:
        """Seconds that watching took."""
        return self._watch.own / 1e9

    @property
    def computing(self) -> float:
        """Seconds in operations and kernels."""
        return seconds(self.events)

    @property
    def rest(self) -> float:
        """Seconds in neither: Python, the tape, and NumPy outside of operations."""
        return self.seconds - self.computing - self.watching

    def parts(self) -> dict[str, float]:
        """Seconds in operations and kernels, by part of the step."""
        return {part: seconds(e for e in self.events if e.part == part) for part in PARTS}

    def operations(self) -> list[Operation]:
        """Every operation in each part of the step, the longest first."""
        found: dict[tuple[str, str], Operation] = {}
        for event in self.events:
            row = found.setdefault((event.operation, event.part), Operation(event.operation, event.part))
            row.calls += 1
            row.seconds += (event.stop - event.start) / 1e9
            row.costs.append(event.cost)
        for (name, part), row in found.items():
            if part == "backward":  # a gradient may be several kernels
                row.calls = self.pulled.get(name, row.calls)
        return sorted(found.values(), key=lambda row: -row.seconds)

    def modules(self) -> list[ModuleTime]:
        """Every module of the model, in the order of `named_modules`; a shared one once, with all of its calls."""
        rows = {
            path: ModuleTime(path, type(module).__name__, self._watch.calls.get(path, 0))
            for path, module in (self.model.named_modules() if self.model is not None else ())
        }
        for event in self.events:
            if event.module is None:
                continue
            spent = (event.stop - event.start) / 1e9
            rows[event.module].own[event.part] += spent
            for path in (event.module, *above(event.module)):
                if path in rows:
                    rows[path].total[event.part] += spent
                    rows[path].cost += event.cost
        return list(rows.values())

    @cached_property
    def ceilings(self) -> Ceilings:
        """The machine's rates, measured when first asked for, on the device and in the dtype of the model."""
        parameter: Any = next(self.model.parameters(), None) if self.model is not None else None
        return measure() if parameter is None else measure(parameter.device, parameter.dtype)

    def show(self, title: str = "") -> None:
        """Prints the tables, as wide as the terminal is."""
        from rich.console import Console

        from tinygen.profiling.report import tables

        console = Console(width=None if sys.stdout.isatty() else 120)
        for part in tables(self, title, console.width):
            console.print(part)

    def typical_step(self) -> list[Event]:
        """The events of the step of median length; of the whole block when no step was said to end."""
        if not self._marks:
            return self.events
        steps = sorted(zip([self._begin, *self._marks], self._marks), key=lambda step: step[1] - step[0])
        begin, end = steps[(len(steps) - 1) // 2]
        return [e for e in self.events if begin <= e.start and e.stop <= end]


def above(path: str) -> list[str]:
    """The paths of the modules above one, the nearest first: "a.b.c" gives "a.b", "a" and ""."""
    names = path.split(".") if path else []
    return [".".join(names[:i]) for i in range(len(names))][::-1]


def seconds(events: Iterable[Event]) -> float:
    """The time of events, none of which lies within another."""
    return sum(e.stop - e.start for e in events) / 1e9


_running: list[Profile] = []


@contextmanager
def profile(model: Module | None = None) -> Iterator[Profile]:
    """Measures what runs within the block: operations forward and backward, kernels, modules.

    Args:
        model: whose modules the time is told by; without one it is told by operation alone.

    Yields:
        A `Profile`: `.show()` prints it, `.operations()` and `.modules()` are its rows.

    Raises:
        RuntimeError: a profile is running already.

    Example:
        >>> with tg.profile(model) as found:
        ...     loss, _ = model.loss(batch, rng)
        ...     loss.backward()
        >>> found.show()
    """
    if _running:
        raise RuntimeError("a profile is running already: one at a time")
    found = Profile(model)
    _running.append(found)
    try:
        found._watch.begin()
        found._begin = watch.clock()
        try:
            yield found
        finally:
            found.seconds = (watch.clock() - found._begin) / 1e9
            found._watch.end()
    finally:
        _running.pop()
